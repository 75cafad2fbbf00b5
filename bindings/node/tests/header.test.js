'use strict';

// The facts of the C library that this binding repeats.

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');
const { version } = require('wxtoken');
const { SIGNATURES } = require('../lib/library');
const { ERROR, TOKEN } = require('../lib/memory');

const header = readFileSync(join(__dirname, '../../../include/wxtoken.h'), 'utf8').replace(/\/\*.*?\*\//gs, '');

test('each function of the header is bound, with the same number of parameters', () => {
  const declared = [...header.matchAll(/(wxtoken_\w+)\(([^)]*)\);/g)].map(([, name, parameters]) => [
    name,
    parameters === 'void' ? 0 : parameters.split(',').length,
  ]);
  const bound = Object.entries(SIGNATURES).map(([name, [, parameters]]) => [name, parameters.length]);
  assert.deepEqual(bound.sort(), declared.sort());
});

test('the structs have the fields, sizes and offsets that they have in C', () => {
  const size = (constant) => Number(header.match(new RegExp(`${constant} = (\\d+)`))[1]);
  const fields = (name) =>
    header
      .match(new RegExp(`typedef struct ${name} \\{(.*?)\\}`, 's'))[1]
      .trim()
      .split(/\s*;\s*/);
  assert.deepEqual(fields('wxtoken_error'), [
    'wxtoken_status status',
    'int32_t errcode',
    'int64_t retry_after_ms',
    'char message[496]',
    '',
  ]);
  assert.deepEqual(ERROR, { size: 16 + size('WXTOKEN_MESSAGE_SIZE'), errcode: 4, retryAfterMs: 8, message: 16 });
  assert.deepEqual(fields('wxtoken_token'), ['int64_t expires_at', 'size_t length', 'char value[1024]', '']);
  assert.deepEqual(TOKEN, { size: 16 + size('WXTOKEN_TOKEN_SIZE'), expiresAt: 0, length: 8, value: 16 });
});

test('the package has the version of the library', () => {
  assert.equal(version(), require('../package.json').version);
});
