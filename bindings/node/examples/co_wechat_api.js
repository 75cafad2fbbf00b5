'use strict';

// Asks WeChat for its callback addresses through co-wechat-api, with a token of the store. It reads the same
// environment variables as first_get.js. If WXSIM_HTTP is set, the simulator answers.

const WechatAPI = require('co-wechat-api');
const { Store } = require('wxtoken');
const { withStore } = require('wxtoken/co-wechat-api');

async function main() {
  const { WXTOKEN_ID: id, WXTOKEN_SECRET: secret, WXSIM_HTTP: simulator } = process.env;
  const store = await Store.open(null, simulator ? { api_base_url: simulator } : {});
  try {
    await store.register('demo', 'official', id, secret);
    const api = withStore(new WechatAPI(id), store, 'demo');
    if (simulator) api.prefix = `${simulator}/cgi-bin/`;
    const { ip_list: addresses } = await api.getIp();
    console.log(`node, co-wechat-api  ${addresses.length} callback addresses`);
  } finally {
    await store.close();
  }
}

main().catch((e) => {
  console.error(e.message);
  process.exitCode = 1;
});
