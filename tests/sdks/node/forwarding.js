'use strict';

// co-wechat-api with all its calls through the server. forwarding.py defines the lines that it reads and its answers.

const assert = require('assert');
const fs = require('fs');
const readline = require('readline');
const WechatAPI = require('co-wechat-api');

const { SDKS_SERVER: server, SDKS_KEY: key } = process.env;
const id = process.argv[2].split('=')[1];

const api = new WechatAPI(id, key);
api.prefix = server + '/cgi-bin/';

const verbs = {
  async call() {
    assert.strictEqual((await api.getUser('oDemo')).openid, 'oDemo');
    assert.strictEqual((await api.sendText('oDemo', '您好，世界')).errcode, 0);
  },
  upload: async (path) => (await api.uploadMedia(path, 'image')).media_id,
  async download(mediaId, path) {
    fs.writeFileSync(path, await api.getMedia(mediaId));
  },
  token: async () => (await api.getToken()).accessToken,
};

async function main() {
  console.log('ready');
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [, verb, ...words] = line.split(' ');
    try {
      console.log(`ok ${(await verbs[verb](...words)) || ''}`);
    } catch (e) {
      console.log(`errcode ${e.code}: ${e.message}`.replace(/\n/g, ' '));
    }
  }
}

main();
