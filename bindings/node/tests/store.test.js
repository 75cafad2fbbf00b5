'use strict';

const assert = require('node:assert/strict');
const { join } = require('node:path');
const { test } = require('node:test');
const { inspect } = require('node:util');
const { Store, Token, WxTokenError } = require('wxtoken');
const { asked, counters, directory, errcode, https, ca, newAccount, openStore, post } = require('./simulator');

const where = (t) => join(directory(t), 'tokens.db');
const fails = (status, message = /./) => ({ name: 'WxTokenError', status, message });

test('a failure has its status, errcode, retry and message, and no secret', async (t) => {
  const account = await newAccount();
  const store = await openStore(t, where(t), { ...account, secret: `${account.secret}-wrong` });
  const failure = await store.token('shop').catch((e) => e);
  assert.ok(failure instanceof WxTokenError && failure instanceof Error);
  assert.equal(failure.status, 'WXTOKEN_E_API');
  assert.equal(failure.errcode, 40125);
  assert.ok(failure.retryAfterMs > 30_000);
  assert.match(failure.message, /40125.*secret/);
  for (const text of [failure.stack, inspect(failure), JSON.stringify(failure)])
    assert.ok(!text.includes(account.secret));
  assert.match(failure.stack, /at async Store\.token.*\n.*store\.test\.js/);
});

test('printing a token, a store or a failure shows no token', async (t) => {
  const store = await openStore(t, where(t), await newAccount());
  const token = await store.token('shop');
  assert.ok(token instanceof Token);
  assert.ok(token.value.length > 20);
  const failure = await store.reject('nobody', token).catch((e) => e);
  const texts = [token, store, failure, { token }].flatMap((value) => [
    String(value),
    `${value}`,
    JSON.stringify(value),
    inspect(value, { depth: 9, showHidden: true, getters: false }),
  ]);
  for (const text of [...texts, failure.stack]) assert.ok(!text.includes(token.value), text);
});

test('a pushed secret has no end, and a token does', async (t) => {
  const account = await newAccount({ kind: 'component' });
  const store = await openStore(t, where(t));
  await store.register('platform', account.kind, account.id, account.secret);
  const { ticket } = await post('/push', { id: account.id });
  await store.put('platform', 'verify_ticket', ticket);
  assert.ok((await store.token('platform')).expiresAt > new Date());
  const customer = await newAccount({ kind: 'authorizer', parent: account.id });
  await store.register('customer', 'authorizer', customer.id);
  await store.put('customer', 'parent', 'platform');
  await store.put('customer', 'refresh_token', customer.secret);
  const refreshToken = await store.token('customer/refresh_token');
  assert.equal(refreshToken.value, customer.secret);
  assert.equal(refreshToken.expiresAt, null);
});

test('a NUL or a lone surrogate is refused before the call', async (t) => {
  const store = await openStore(t, where(t));
  for (const bad of ['a\0b', 'a\ud800b']) {
    const calls = [
      () => Store.open(bad),
      () => Store.open(where(t), { proxy: bad }),
      () => store.set(bad, '1'),
      () => store.register(bad, 'official', 'id', 'secret'),
      () => store.register('shop', bad, 'id', 'secret'),
      () => store.register('shop', 'official', bad, 'secret'),
      () => store.register('shop', 'official', 'id', bad),
      () => store.put('shop', 'current', bad),
      () => store.setCurrent(bad),
      () => store.token(bad),
      () => store.reject('shop', bad),
    ];
    for (const call of calls) await assert.rejects(call, fails('WXTOKEN_E_ARGUMENT', /NUL|surrogate/), String(call));
  }
  assert.deepEqual((await store.report()).accounts, []);
});

test('a value that is not a string is a TypeError that does not show it', async (t) => {
  const store = await openStore(t, where(t));
  await assert.rejects(store.register('shop', 'official', 'id', { hush: 1 }), {
    name: 'TypeError',
    message: 'secret must be a string, not object',
  });
  await assert.rejects(store.reject('shop', undefined), TypeError);
  await assert.rejects(store.set('timeout_ms', ['1']), TypeError);
  assert.throws(() => new Store(), TypeError);
});

test('options may be strings, numbers and booleans', async (t) => {
  const account = await newAccount();
  const options = { api_base_url: https, ca_file: ca, timeout_ms: 5000, background_refresh: false, proxy: undefined };
  const store = await openStore(t, where(t), account, options);
  await store.set('background_refresh', true);
  assert.equal(await errcode('official', (await store.token('shop')).value), 0);
  await assert.rejects(Store.open(where(t), { colour: 'red' }), fails('WXTOKEN_E_ARGUMENT', /timeout_ms/));
});

test('without a path the environment names the store', async (t) => {
  process.env.WXTOKEN_STORE = where(t);
  t.after(() => delete process.env.WXTOKEN_STORE);
  const store = await Store.open();
  assert.equal((await store.report()).store, process.env.WXTOKEN_STORE);
  await store.close();
});

test('a report that outgrows its buffer is complete', async (t) => {
  const store = await openStore(t, where(t));
  for (let i = 0; i < 40; i++) await store.register(`店铺 ${i}`, 'official', `wx${i}`, 'secret');
  const names = (await store.report()).accounts.map((account) => account.name);
  assert.equal(names.length, 40);
  assert.ok(names.includes('店铺 39'));
});

test('a wait for WeChat leaves the event loop free', async (t) => {
  const account = await newAccount({ delay_ms: 1000 });
  const store = await openStore(t, where(t), account);
  let turns = 0;
  const ticking = setInterval(() => turns++, 5);
  await store.token('shop');
  clearInterval(ticking);
  assert.ok(turns > 10, `${turns} turns`);
});

test('a known token is returned before the event loop turns, and is the same object as last time', async (t) => {
  const account = await newAccount();
  const store = await openStore(t, where(t), account, { revalidate_ms: 60_000 });
  await store.token('shop');
  const first = await store.token('shop');
  let turned = false;
  setImmediate(() => (turned = true));
  for (let i = 0; i < 100; i++) assert.equal(await store.token('shop'), first);
  assert.equal(turned, false, 'a get has gone to the pool');
  await post('/revoke', { id: account.id, which: 'all' });
  await store.reject('shop', first);
  const second = await store.token('shop');
  assert.notEqual(second.value, first.value);
  assert.equal((await store.token('shop')).value, second.value, 'the token of the last time is given for another');
  assert.equal(await errcode('official', second.value), 0);
});

test('a known token does not wait for a thread while WeChat hangs on all of them', async (t) => {
  const store = await openStore(t, where(t), await newAccount(), { revalidate_ms: 60_000, timeout_ms: 2000 });
  const { value } = await store.token('shop');
  const hanging = Array.from({ length: 8 }, async (_, i) => {
    const account = await newAccount();
    await post('/faults', { id: account.id, kind: 'hang' });
    await store.register(`hung ${i}`, account.kind, account.id, account.secret);
  });
  await Promise.all(hanging);
  // After the changes the store is looked at once.
  await store.token('shop');
  let answered = 0;
  const all = Array.from({ length: 8 }, (_, i) => store.token(`hung ${i}`).catch(() => answered++));
  assert.equal((await store.token('shop')).value, value);
  assert.equal(answered, 0);
  await Promise.all(all);
});

test('alternating names are not confused', async (t) => {
  const store = await openStore(t, where(t), await newAccount(), { revalidate_ms: 60_000 });
  const names = ['shop', null, '店铺', 'b'.repeat(128), ...Array.from({ length: 12 }, (_, i) => `shop ${i}`)];
  for (const name of names.slice(2)) {
    const account = await newAccount();
    await store.register(name, account.kind, account.id, account.secret);
  }
  const values = [];
  for (const name of names) values.push((await store.token(name)).value);
  assert.equal(new Set(values).size, names.length - 1);
  for (let round = 0; round < 3; round++)
    for (const [i, name] of names.entries()) assert.equal((await store.token(name)).value, values[i]);
  for (const long of ['x'.repeat(5000), 'y'.repeat(1100)])
    await assert.rejects(store.token(long), fails('WXTOKEN_E_ARGUMENT'));
});

test('a thousand simultaneous gets wait for one answer, and cost one request', async (t) => {
  const account = await newAccount({ delay_ms: 200 });
  const store = await openStore(t, where(t), account);
  const tokens = await Promise.all(Array.from({ length: 1000 }, () => store.token('shop')));
  assert.equal(new Set(tokens.map((token) => token.value)).size, 1);
  const { requests, minted } = await counters(account.id);
  assert.deepEqual({ requests, minted }, { requests: 1, minted: 1 });
});

test('a get after a change does not return the answer of a get that was under way before', async (t) => {
  const before = await newAccount({ delay_ms: 5000 });
  const after = await newAccount();
  const store = await openStore(t, where(t), before);
  const earlier = store.token('shop');
  await asked(before.id);
  await store.register('shop', after.kind, after.id, after.secret);
  await store.token('shop');
  assert.equal((await counters(after.id)).minted, 1);
  assert.equal((await counters(before.id)).in_flight, 1, 'it has waited for the earlier one');
  await earlier;
});

test('a get under way when its store is closed still returns its token, and later calls are refused', async (t) => {
  const account = await newAccount({ delay_ms: 500 });
  const store = await openStore(t, where(t), account);
  const waiting = store.token('shop');
  await asked(account.id);
  let answered = false;
  waiting.then(() => (answered = true));
  const closed = store.close().then(() => assert.ok(answered, 'it is closed while a call is inside'));
  const late = [
    () => store.token('shop'),
    () => store.report(),
    () => store.set('log', 'off'),
    () => store.register('shop', 'official', 'id', 'secret'),
    () => store.setCurrent('shop'),
    () => store.reject('shop', 'token'),
  ];
  for (const call of late) await assert.rejects(call, fails('WXTOKEN_E_ARGUMENT', /closed/), String(call));
  assert.equal(await errcode('official', (await waiting).value), 0);
  await closed;
  await store.close();
});

test('closing under load ends every call cleanly', async (t) => {
  const path = where(t);
  const first = await openStore(t, path, await newAccount(), { revalidate_ms: 0 });
  const { value } = await first.token('shop');
  for (let round = 0; round < 20; round++) {
    const store = await openStore(t, path, null, { revalidate_ms: 0 });
    const callers = Array.from({ length: 8 }, async () => {
      for (;;) {
        assert.equal((await store.token('shop')).value, value);
        assert.equal((await store.report()).accounts.length, 1);
      }
    });
    const ended = Promise.allSettled(callers);
    await store.token('shop');
    await store.close();
    for (const { reason } of await ended) assert.match(reason.message, /this Store is closed/);
  }
});

test('a timeout and other statuses are distinguished', async (t) => {
  const account = await newAccount();
  const store = await openStore(t, where(t), account, { timeout_ms: 200 });
  await post('/faults', { id: account.id, kind: 'hang' });
  await assert.rejects(store.token('shop'), fails('WXTOKEN_E_TIMEOUT', /timeout_ms/));
  await assert.rejects(store.token('nobody'), fails('WXTOKEN_E_ACCOUNT', /nobody/));
  await assert.rejects(Store.open('/nonexistent/tokens.db'), fails('WXTOKEN_E_STORE'));
});
