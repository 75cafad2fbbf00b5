'use strict';

// The real client of co-wechat-api, in two processes, with the store and on its own.

const assert = require('node:assert/strict');
const { fork } = require('node:child_process');
const { once } = require('node:events');
const { createServer } = require('node:http');
const { join } = require('node:path');
const { PassThrough } = require('node:stream');
const { test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const WechatAPI = require('co-wechat-api');
const { withStore } = require('wxtoken/co-wechat-api');
const { counters, directory, http, newAccount, openStore, post } = require('./simulator');

const HOURS = 3_600_000;
const SOON = 5_000;

function at(api) {
  api.prefix = `${http}/cgi-bin/`;
  return api;
}

/** Starts a server that refuses every token, and records its requests. */
async function refuser(t) {
  const asked = [];
  const server = createServer((request, answer) => {
    asked.push(request.url);
    answer.setHeader('content-type', 'application/json');
    answer.end('{"errcode":40001,"errmsg":"invalid credential"}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => (server.closeAllConnections?.(), server.close()));
  return { asked, url: `http://127.0.0.1:${server.address().port}` };
}

/** Makes a business call with the client in another process. */
async function elsewhere(t, ...args) {
  const child = fork(join(__dirname, 'second-client.js'), args);
  t.after(() => child.kill());
  await once(child, 'message');
  return async () => {
    child.send('call');
    const [failure] = await once(child, 'message');
    if (failure) throw new Error(failure);
  };
}

test('two processes through an expiry, a revocation and a refresh by one of them', async (test) => {
  await test.test('with the store every call succeeds, and each event costs one mint', async (t) => {
    const account = await newAccount({ lifetime_ms: SOON });
    const path = join(directory(t), 'tokens.db');
    const store = await openStore(t, path, account);
    const api = withStore(at(new WechatAPI(account.id)), store, 'shop');
    const here = () => api.getIp();
    const there = await elsewhere(t, account.id, '', path);
    const lifetime = (lifetime_ms) => post('/accounts', { ...account, lifetime_ms });
    // The simulator counts in milliseconds, and a reply in seconds.
    const expire = async () => sleep((await store.token('shop')).expiresAt - Date.now() + 1_050);
    const minted = async () => (await counters(account.id)).minted;

    await here();
    await there();
    assert.equal(await minted(), 1, 'the first token serves both');

    await expire();
    await lifetime(2 * HOURS);
    await here();
    await there();
    assert.equal(await minted(), 2, 'an expiry');

    await lifetime(SOON);
    await post('/revoke', { id: account.id, which: 'all' });
    await here();
    await there();
    assert.equal(await minted(), 3, 'a revocation');

    await expire();
    await lifetime(2 * HOURS);
    await there();
    await here();
    assert.equal(await minted(), 4, 'a refresh by the other process');
  });

  await test.test('on their own they mint twice as many', async (t) => {
    const account = await newAccount();
    const api = at(new WechatAPI(account.id, account.secret));
    const here = () => api.getIp();
    const there = await elsewhere(t, account.id, account.secret);
    const minted = async () => (await counters(account.id)).minted;

    await here();
    await there();
    assert.equal(await minted(), 2, 'the first token');
    await post('/advance', { id: account.id, ms: 2 * HOURS });
    await here();
    await there();
    assert.equal(await minted(), 4, 'an expiry');
    await post('/revoke', { id: account.id, which: 'all' });
    await here();
    await there();
    assert.equal(await minted(), 6, 'a revocation');
    await post('/advance', { id: account.id, ms: 2 * HOURS });
    await there();
    await here();
    assert.equal(await minted(), 8, 'a refresh by the other process');
  });
});

test('simultaneous calls that are refused cost one mint', async (t) => {
  const account = await newAccount();
  const store = await openStore(t, join(directory(t), 'tokens.db'), account);
  const api = withStore(at(new WechatAPI(account.id)), store, 'shop');
  await api.getIp();
  await post('/revoke', { id: account.id, which: 'all' });
  await Promise.all(Array.from({ length: 50 }, () => api.getIp()));
  assert.equal((await counters(account.id)).minted, 2);
});

test('a token that the store has not returned is neither rejected nor replaced', async (t) => {
  const account = await newAccount();
  const store = await openStore(t, join(directory(t), 'tokens.db'), account);
  const api = withStore(at(new WechatAPI(account.id)), store, 'shop');
  await api.getIp();
  const { value } = await store.token('shop');
  const elsewhere = await refuser(t);
  for (const token of ['A_USERS_TOKEN', `${value}0`, value.slice(0, -1), '']) {
    const path = `/sns/userinfo?access_token=${token}&openid=o1`;
    await assert.rejects(api.request(elsewhere.url + path), { name: 'WeChatAPIError', code: 40001 });
    assert.deepEqual(elsewhere.asked.splice(0), [path]);
  }
  assert.equal((await store.token('shop')).value, value);
  assert.equal((await counters(account.id)).minted, 1);
});

test('a call is repeated with a successor and its other parameters unchanged, and without one it fails', async (t) => {
  const account = await newAccount();
  const store = await openStore(t, join(directory(t), 'tokens.db'), account);
  const api = withStore(at(new WechatAPI(account.id)), store, 'shop');
  const elsewhere = await refuser(t);
  const path = (token) => `/menu?a=%7e+b&access_token=${token}&c=1/2`;
  const refused = async () => {
    const { accessToken } = await api.ensureAccessToken();
    await assert.rejects(api.request(elsewhere.url + path(accessToken)), { name: 'WeChatAPIError', code: 40001 });
    return accessToken;
  };
  const first = await api.ensureAccessToken();
  await post('/revoke', { id: account.id, which: 'all' });
  assert.equal(await refused(), first.accessToken);
  const second = await store.token('shop');
  assert.deepEqual(elsewhere.asked.splice(0), [path(first.accessToken), path(second.value)]);

  // Another reject was less than 30 s ago.
  assert.equal(await refused(), second.value);
  assert.deepEqual(elsewhere.asked, [path(second.value)]);
  assert.equal((await counters(account.id)).minted, 2);
});

test('an upload that is refused is not repeated, and the next call has another token', async (t) => {
  const account = await newAccount();
  const store = await openStore(t, join(directory(t), 'tokens.db'), account);
  const api = withStore(at(new WechatAPI(account.id)), store, 'shop');
  const { accessToken } = await api.ensureAccessToken();
  await post('/revoke', { id: account.id, which: 'all' });
  const data = new PassThrough();
  data.end('a picture');
  const headers = { 'content-length': 9 };
  const url = `${api.prefix}getcallbackip?access_token=${accessToken}`;
  await assert.rejects(api.request(url, { method: 'POST', headers, data }), { name: 'WeChatAPIError', code: 40001 });
  await api.getIp();
  assert.equal((await counters(account.id)).minted, 2);
});

test('it signs pages with the ticket of the store', async (t) => {
  const account = await newAccount();
  const store = await openStore(t, join(directory(t), 'tokens.db'), account);
  const api = withStore(at(new WechatAPI(account.id)), store, 'shop');
  const url = 'https://shop.example/goods?id=1';
  const { nonceStr: noncestr, timestamp, signature } = await api.getJsConfig({ url, jsApiList: [] });
  assert.deepEqual(await post('/js_config', { appid: account.id, url, noncestr, timestamp, signature }), { ok: true });
  assert.equal((await api.ensureTicket('wx_card')).ticket, (await store.token('shop/card_ticket')).value);
  await assert.rejects(api.ensureTicket('other'), TypeError);
  assert.equal((await counters(account.id)).minted, 3);
});

test('a failure of the store is the failure of the call', async (t) => {
  const account = await newAccount();
  const store = await openStore(t, join(directory(t), 'tokens.db'), { ...account, secret: 'wrong' });
  const api = withStore(at(new WechatAPI(account.id)), store, 'shop');
  await assert.rejects(api.getIp(), { name: 'WxTokenError', errcode: 40125 });
});
