'use strict';

// co-wechat-api with a token of the server. For each line that it reads it makes one business call and prints the
// result.
//
// Its prefix applies to all calls. So a second client asks the server for tokens, and the first one uses them.

const readline = require('readline');
const WechatAPI = require('co-wechat-api');

const { SDKS_SERVER: server, SDKS_WECHAT: wechat, SDKS_ID: id, SDKS_KEY: key } = process.env;

function client() {
  const tokens = new WechatAPI(id, key);
  tokens.prefix = server + '/cgi-bin/';
  const api = new WechatAPI(id, key, () => tokens.getToken(), (token) => tokens.saveToken(token));
  api.getAccessToken = () => tokens.getAccessToken();
  return api;
}

async function main() {
  const api = client();
  // The simulator takes WeChat's place here. A production program does not have this line.
  api.prefix = wechat + '/cgi-bin/';
  console.log('ready');
  for await (const _ of readline.createInterface({ input: process.stdin })) {
    try {
      console.log(`ok ${(await api.getIp()).ip_list.length}`);
    } catch (e) {
      console.log(`errcode ${e.code}: ${e.message}`.replace(/\n/g, ' '));
    }
  }
}

main();
