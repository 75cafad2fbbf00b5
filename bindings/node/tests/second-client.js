'use strict';

// A separate process with a client of co-wechat-api, with a store if one is given, else on its own.

const WechatAPI = require('co-wechat-api');
const { Store } = require('wxtoken');
const { withStore } = require('wxtoken/co-wechat-api');

const [appid, appsecret, path] = process.argv.slice(2);

async function main() {
  const api = new WechatAPI(appid, appsecret);
  api.prefix = `${process.env.WXSIM_HTTP}/cgi-bin/`;
  if (path) withStore(api, await Store.open(path, { api_base_url: process.env.WXSIM_HTTP }), 'shop');
  process.on('message', async () => process.send(await api.getIp().then(() => '', String)));
  process.send('ready');
}

main();
