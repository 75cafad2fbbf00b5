'use strict';

// The simulator of WeChat that `wechat-sim exec` has started, and a store for a test.

const { randomBytes } = require('node:crypto');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { Store } = require('wxtoken');

for (const name of ['WXSIM_HTTP', 'WXSIM_HTTPS', 'WXSIM_CONTROL', 'WXSIM_CA', 'WXTOKEN_CASES']) {
  if (!process.env[name]) throw new Error(`${name} is not set: the README says how the tests are run`);
}
const { WXSIM_HTTP: http, WXSIM_HTTPS: https, WXSIM_CONTROL: control, WXSIM_CA: ca } = process.env;

// Keeps the caller's own store and options out of the tests.
for (const name of Object.keys(process.env)) {
  if (name.startsWith('WXTOKEN_') && !name.startsWith('WXTOKEN_CASES') && name !== 'WXTOKEN_LIBRARY')
    delete process.env[name];
}

const hex = (bytes) => randomBytes(bytes).toString('hex');

async function ask(url, body) {
  const answer = await fetch(url, body && { method: 'POST', body: JSON.stringify(body) });
  if (answer.status !== 200) throw new Error(`${url} answers ${answer.status}: ${await answer.text()}`);
  return answer.json();
}

const post = (path, body) => ask(control + path, body);
const counters = (id) => ask(`${control}/counters?id=${id}`);

/** Creates an account that no other test uses. */
async function newAccount(more = {}) {
  const account = { kind: 'official', id: `wx${hex(8)}`, secret: hex(16), ...more };
  await post('/accounts', account);
  return account;
}

/** Calls a business API with a token and returns its errcode, 0 if the token is accepted. */
async function errcode(kind, token) {
  const path = { official: 'getcallbackip', work: 'agent/list' }[kind];
  return (await ask(`${http}/cgi-bin/${path}?access_token=${encodeURIComponent(token)}`)).errcode ?? 0;
}

/** Waits until a token request of this id has come. It may have been answered by then. */
async function asked(id) {
  while ((await counters(id)).requests === 0);
}

/** Returns a directory that is removed when the test `t` ends. */
function directory(t) {
  const path = mkdtempSync(join(tmpdir(), 'wxtoken-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

/** Opens a store against the simulator, with an account "shop" if one is given. It is closed when the test `t` ends. */
async function openStore(t, path, account = null, options = {}) {
  const store = await Store.open(path, { api_base_url: http, work_base_url: http, ...options });
  t.after(() => store.close());
  if (account) await store.register('shop', account.kind, account.id, account.secret);
  return store;
}

module.exports = { http, https, ca, hex, post, counters, newAccount, errcode, asked, directory, openStore };
