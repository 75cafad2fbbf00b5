'use strict';

// The cost in Node of a token that the process knows, against the minimum for any binding, and against co-wechat-api
// with its token in memory. Run it under warm.py, after `npm ci` in bindings/node.

const { join } = require('node:path');

const BINDING = join(__dirname, '../../../bindings/node');
const koffi = require(join(BINDING, 'node_modules/koffi'));
const WechatAPI = require(join(BINDING, 'node_modules/co-wechat-api'));
const { Store } = require(BINDING);

const ROUNDS = 100;
const CALLS = 2000; // in a round of each, but for those on the pool
const CALLS_ON_THE_POOL = 100;

async function main() {
  const expected = process.env.WXBENCH_TOKEN;
  const store = await Store.open();
  const known = await store.token('shop');

  const api = new WechatAPI(process.env.WXBENCH_APPID, process.env.WXBENCH_SECRET);
  await api.saveToken({ accessToken: expected, expireTime: Date.now() + 7_200_000 });

  // Empty calls: freeing no handle is a no-op.
  const library = koffi.load('libwxtoken.so.0');
  const empty = library.func('wxtoken_free', 'void', ['uint64_t']);
  const floor = async () => {
    empty(0);
    return known;
  };
  const onThePool = () => new Promise((resolve) => empty.async(0, () => resolve(known)));

  const subjects = {
    'node-token': [CALLS, async () => (await store.token('shop')).value],
    'node-floor': [CALLS, async () => (await floor()).value],
    'node-pool-floor': [CALLS_ON_THE_POOL, async () => (await onThePool()).value],
    'co-wechat-api-memory': [CALLS, async () => (await api.ensureAccessToken()).accessToken],
  };
  for (const [bench, [, call]] of Object.entries(subjects)) {
    if ((await call()) !== expected) throw new Error(`${bench}: this is not the token of $WXBENCH_TOKEN`);
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const [bench, [calls, call]] of Object.entries(subjects)) {
      const start = process.hrtime.bigint();
      for (let i = 0; i < calls; i++) await call();
      console.log(JSON.stringify({ bench, ns: Number(process.hrtime.bigint() - start) / calls }));
    }
  }
  await store.close();
}

main();
