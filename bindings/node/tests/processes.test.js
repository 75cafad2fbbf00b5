'use strict';

const assert = require('node:assert/strict');
const { fork, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const { join } = require('node:path');
const { test } = require('node:test');
const { Worker } = require('node:worker_threads');
const { asked, counters, directory, errcode, http, newAccount, openStore, post } = require('./simulator');

const SECOND = join(__dirname, 'second.js');
const HANGING = join(__dirname, 'hanging.js');

async function message(other) {
  const [value] = await once(other, 'message');
  return value;
}

test('eight processes on an empty store cost one request', async (t) => {
  const path = join(directory(t), 'tokens.db');
  const account = await newAccount({ delay_ms: 200 });
  const store = await openStore(t, path, account);
  const children = Array.from({ length: 8 }, () => fork(SECOND, [path, http]));
  t.after(() => children.forEach((child) => child.kill()));
  await Promise.all(children.map(message));
  const tokens = Promise.all(children.map(message));
  for (const child of children) child.send('shop');
  assert.deepEqual(new Set(await tokens), new Set([(await store.token('shop')).value]));
  const { requests, minted } = await counters(account.id);
  assert.deepEqual({ requests, minted }, { requests: 1, minted: 1 });
});

test('a change by another process is seen, although known tokens are returned at once', async (t) => {
  const path = join(directory(t), 'tokens.db');
  const account = await newAccount();
  const store = await openStore(t, path, account, { revalidate_ms: 50 });
  const { value } = await store.token('shop');
  await post('/revoke', { id: account.id, which: 'all' });
  const script = `require('wxtoken').Store.open(${JSON.stringify(path)}, { api_base_url: '${http}' })
    .then((store) => store.reject('shop', '${value}').then(() => store.token('shop')))
    .then((token) => process.stdout.write(token.value))`;
  const { stdout } = spawnSync(process.execPath, ['-e', script], { cwd: __dirname, encoding: 'utf8' });
  assert.equal(await errcode('official', stdout), 0);
  const deadline = Date.now() + 20_000;
  for (let now = value; now !== stdout; now = (await store.token('shop')).value)
    assert.ok(Date.now() < deadline, 'the token of before is given for 20 s');
});

test('worker threads share what the process knows', async (t) => {
  const path = join(directory(t), 'tokens.db');
  const account = await newAccount({ delay_ms: 200 });
  const store = await openStore(t, path, account);
  const workers = Array.from({ length: 4 }, () => new Worker(SECOND, { workerData: [path, http] }));
  await Promise.all(workers.map(message));
  const tokens = Promise.all(workers.map(message));
  for (const worker of workers) worker.postMessage('shop');
  assert.equal(new Set(await tokens).size, 1);
  await Promise.all(workers.map((worker) => worker.terminate()));
  assert.equal(await errcode('official', (await store.token('shop')).value), 0);
  assert.equal((await counters(account.id)).requests, 1);
});

test('a worker thread that is terminated during a fetch does not affect others', async (t) => {
  const path = join(directory(t), 'tokens.db');
  const account = await newAccount({ delay_ms: 1000 });
  const store = await openStore(t, path, account);
  const worker = new Worker(SECOND, { workerData: [path, http] });
  await message(worker);
  worker.postMessage('shop');
  await asked(account.id);
  await worker.terminate();
  assert.equal(await errcode('official', (await store.token('shop')).value), 0);
  assert.equal((await counters(account.id)).minted, 1);
});

for (const [threads, workers, main] of [
  [undefined, 0, true],
  [undefined, 2, false],
  ['9', 2, true],
]) {
  const who = [main && 'the main thread', workers && `${workers} worker threads`].filter(Boolean).join(' and ');
  test(`hosts that hang on every call of ${who} leave a thread of ${threads ?? 4} to the program`, async (t) => {
    const path = join(directory(t), 'tokens.db');
    const store = await openStore(t, path);
    for (let i = 0; i < 8 * (workers + 1); i++) {
      const account = await newAccount();
      await post('/faults', { id: account.id, kind: 'hang' });
      await store.register(`shop ${i}`, account.kind, account.id, account.secret);
    }
    const env = { ...process.env };
    delete env.UV_THREADPOOL_SIZE;
    if (threads) env.UV_THREADPOOL_SIZE = threads;
    const { status, stdout, stderr } = spawnSync(process.execPath, [HANGING, path, http, `${workers}`, `${main}`], {
      encoding: 'utf8',
      env,
    });
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
    assert.equal(stdout, '0', 'reading a file has waited for WeChat');
  });
}

test('a process may exit without closing its store', async (t) => {
  const path = join(directory(t), 'tokens.db');
  const account = await newAccount();
  await openStore(t, path, account);
  const script = `require('wxtoken').Store.open(${JSON.stringify(path)}, { api_base_url: '${http}' })
    .then((store) => store.token('shop')).then((token) => process.stdout.write(token.value))`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', script], { cwd: __dirname, encoding: 'utf8' });
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  assert.equal(await errcode('official', stdout), 0);
});

test('a library that cannot be loaded is named, with the remedy', () => {
  const { status, stderr } = spawnSync(process.execPath, ['-e', "require('wxtoken')"], {
    cwd: __dirname,
    encoding: 'utf8',
    env: { ...process.env, WXTOKEN_LIBRARY: '/nonexistent/libwxtoken.so' },
  });
  assert.equal(status, 1);
  assert.match(stderr, /cannot use the C library \/nonexistent\/libwxtoken.so.*WXTOKEN_LIBRARY names it/);
});

test('a koffi that cannot be loaded is reported, with the remedy', () => {
  const script = `const Module = require('node:module'), load = Module._load;
    Module._load = function (name, ...more) {
      if (name === 'koffi') throw new Error('Cannot find the native Koffi module\\nRequire stack:\\n- x');
      return load.call(this, name, ...more);
    };
    try { require('wxtoken'); } catch (e) { console.log(e.message); }`;
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { cwd: __dirname, encoding: 'utf8' });
  assert.equal(stderr, '');
  assert.match(stdout, /^wxtoken cannot use koffi.*: Cannot find the native Koffi module: run npm install.*\n$/);
});
