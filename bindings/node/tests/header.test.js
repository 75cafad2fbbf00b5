'use strict';

// What this binding says of the C library, beside what the library says.

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');
const koffi = require('koffi');
const { version } = require('wxtoken');
const { SIGNATURES, structs } = require('../lib/library');

const header = readFileSync(join(__dirname, '../../../include/wxtoken.h'), 'utf8').replace(/\/\*.*?\*\//gs, '');

test('each function of the header is bound, with as many parameters', () => {
  const declared = [...header.matchAll(/(wxtoken_\w+)\(([^)]*)\);/g)].map(([, name, parameters]) => [
    name,
    parameters === 'void' ? 0 : parameters.split(',').length,
  ]);
  const bound = Object.entries(SIGNATURES).map(([name, [, parameters]]) => [name, parameters.length]);
  assert.deepEqual(bound.sort(), declared.sort());
});

test('the structs have the fields, sizes and places that they have in C', () => {
  const size = (constant) => Number(header.match(new RegExp(`${constant} = (\\d+)`))[1]);
  assert.equal(koffi.offsetof(structs.error, 'message'), 16);
  assert.equal(koffi.sizeof(structs.error), 16 + size('WXTOKEN_MESSAGE_SIZE'));
  assert.equal(koffi.offsetof(structs.token, 'value'), 16);
  assert.equal(koffi.sizeof(structs.token), 16 + size('WXTOKEN_TOKEN_SIZE'));
  for (const [name, struct] of Object.entries(structs)) {
    const [, body] = header.match(new RegExp(`typedef struct wxtoken_${name} \\{(.*?)\\}`, 's'));
    const fields = [...body.matchAll(/(\w+)(\[\d+\])?;/g)].map(([, field]) => field);
    assert.deepEqual(Object.keys(koffi.type(struct).members), fields);
  }
});

test('the package has the version of the library', () => {
  assert.equal(version(), require('../package.json').version);
});
