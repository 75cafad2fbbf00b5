'use strict';

// A separate process or worker thread. It opens the given store, answers 'ready', then answers each name with its
// token.

const { parentPort, workerData, isMainThread } = require('node:worker_threads');
const { Store } = require('wxtoken');

const [path, api_base_url] = isMainThread ? process.argv.slice(2) : workerData;
const answer = (message) => (isMainThread ? process.send(message) : parentPort.postMessage(message));

async function main() {
  const store = await Store.open(path, { api_base_url });
  (isMainThread ? process : parentPort).on('message', async (name) => answer((await store.token(name)).value));
  answer('ready');
}

main();
