'use strict';

// A program whose threads each ask for the tokens of eight accounts, "shop 0" and on, while WeChat hangs. It reads a
// file meanwhile, and prints how many of its calls were answered by then.

const { once } = require('node:events');
const { readFile } = require('node:fs/promises');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { Store } = require('wxtoken');

const [path, api_base_url, workers, main] = process.argv.slice(2);
const answered = isMainThread ? new Int32Array(new SharedArrayBuffer(4)) : workerData.answered;
const open = () => Store.open(path, { api_base_url, timeout_ms: 2000 });

function ask(store, first) {
  for (let i = first; i < first + 8; i++) store.token(`shop ${i}`).catch(() => Atomics.add(answered, 0, 1));
}

async function work() {
  const store = await open();
  parentPort.on('message', () => (ask(store, workerData.first), parentPort.postMessage('asked')));
  parentPort.postMessage('ready');
}

async function begin() {
  const store = await open();
  const others = Array.from({ length: Number(workers) }, (_, i) => {
    return new Worker(__filename, { argv: process.argv.slice(2), workerData: { answered, first: 8 * (i + 1) } });
  });
  const all = () => Promise.all(others.map((worker) => once(worker, 'message')));
  await all();
  for (const worker of others) worker.postMessage('ask');
  await all();
  if (main === 'true') ask(store, 0);
  await readFile(__filename);
  process.stdout.write(String(answered[0]), () => process.exit());
}

if (isMainThread) begin();
else work();
