'use strict';

// Signs a page's URL for the JS-SDK and prints the fields that the page passes to wx.config, as JSON.
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
 * Returns the signed fields of wx.config. The page itself adds debug, jsApiList and openTagList. `url` is the page's
 * URL, exactly as the browser shows it from https:// to the query, without the fragment.
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
    // The ticket stays on the server. The page gets only the signature.
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
