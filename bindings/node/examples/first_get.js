'use strict';

// Registers an account and gets its token, with settings from the environment.
//
// WXTOKEN_STORE        the store (the library reads it)
// WXTOKEN_ID           appid or corpid; without it, "demo" must be in the store already
// WXTOKEN_SECRET       its secret
// WXTOKEN_KIND         its kind, "official" unless given

const { Store } = require('wxtoken');

async function main() {
  const { WXTOKEN_ID: id, WXTOKEN_SECRET: secret, WXTOKEN_KIND: kind = 'official' } = process.env;
  const store = await Store.open();
  try {
    if (id) await store.register('demo', kind, id, secret);
    const start = process.hrtime.bigint();
    const { value, expiresAt } = await store.token('demo');
    const microseconds = (process.hrtime.bigint() - start) / 1000n;
    const seconds = Math.round((expiresAt - Date.now()) / 1000);
    console.log(
      `node  ${value.slice(0, 8)}…${value.slice(-4)}  ${value.length} chars  expires in ${seconds} s  ${microseconds} us`,
    );
  } finally {
    await store.close();
  }
}

main().catch((e) => {
  console.error(e.message);
  process.exitCode = 1;
});
