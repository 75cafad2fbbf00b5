'use strict';

// Signs a page's URL for the JS-SDK, and prints what the page gives to wx.config as JSON.
//
//     node jssdk.js 'https://shop.example/page?from=menu#top'
//
// WXTOKEN_STORE        the store (the library reads it)
// WXTOKEN_ID           appid or corpid
// WXTOKEN_SECRET       its secret, needed once; without it, "demo" must be in the store already
// WXTOKEN_KIND         its kind, "official" unless given

const { createHash, randomBytes } = require('node:crypto');
const { Store } = require('wxtoken');

/**
 * What wx.config takes, beside debug, jsApiList and openTagList, which are the page's own. `url` is the page's, exactly
 * as the browser shows it, from https:// to the query; the fragment is left out.
 */
function sign(appId, ticket, url) {
  const nonceStr = randomBytes(16).toString('hex');
  const timestamp = Math.floor(Date.now() / 1000);
  const [page] = url.split('#');
  const text = `jsapi_ticket=${ticket}&noncestr=${nonceStr}&timestamp=${timestamp}&url=${page}`;
  return { appId, timestamp, nonceStr, signature: createHash('sha1').update(text).digest('hex') };
}

async function main() {
  const { WXTOKEN_ID: id, WXTOKEN_SECRET: secret, WXTOKEN_KIND: kind } = process.env;
  const [url, ...more] = process.argv.slice(2);
  if (!url || more.length || !id) throw new Error('usage: WXTOKEN_ID=… node jssdk.js URL');
  const store = await Store.open();
  try {
    if (secret) await store.register('demo', kind || 'official', id, secret);
    // The ticket stays on the server: the page gets the signature only.
    const ticket = await store.token('demo/jsapi_ticket');
    console.log(JSON.stringify(sign(id, ticket.value, url)));
  } finally {
    await store.close();
  }
}

main().catch((e) => {
  console.error(e.message);
  process.exitCode = 1;
});
