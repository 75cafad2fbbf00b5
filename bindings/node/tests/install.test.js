'use strict';

// The package as npm installs it from a checkout, and the examples.

const assert = require('node:assert/strict');
const { execFileSync, spawnSync } = require('node:child_process');
const { copyFileSync, cpSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');
const { directory, hex, http, newAccount, openStore, post } = require('./simulator');

const PACKAGE = join(__dirname, '..');

function run(env, cwd, ...command) {
  return execFileSync(command[0], command.slice(1), { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

test('npm installs it from a checkout, and it gets a token', async (t) => {
  const account = await newAccount();
  const project = directory(t);
  const env = {
    ...process.env,
    WXTOKEN_STORE: join(project, 'tokens.db'),
    WXTOKEN_API_BASE_URL: http,
    WXTOKEN_ID: account.id,
    WXTOKEN_SECRET: account.secret,
  };
  writeFileSync(join(project, 'package.json'), '{"private": true}');
  run(env, project, 'npm', 'install', '--silent', '--no-audit', '--no-fund', '--install-links', PACKAGE);
  const script = `require('wxtoken').Store.open().then(async (store) => {
    await store.register('shop', 'official', process.env.WXTOKEN_ID, process.env.WXTOKEN_SECRET);
    const { withStore } = require('wxtoken/co-wechat-api');
    console.log((await store.token()).value.length, typeof withStore);
    await store.close();
  })`;
  assert.match(run(env, project, process.execPath, '-e', script), /^\d+ function\n$/);
  const module = "import { Store, version } from 'wxtoken'; console.log(typeof Store, version())";
  assert.match(run(env, project, process.execPath, '--input-type=module', '-e', module), /^function \d+\.\d+\.\d+\n$/);
});

// npm on Alpine before 3.19 does not know `libc`, and installs both packages.
test('the library in the package of this platform is used, and one for another C library is not', (t) => {
  const modules = join(realpathSync(directory(t)), 'node_modules');
  mkdirSync(modules);
  cpSync(join(PACKAGE, 'lib'), join(modules, 'wxtoken', 'lib'), { recursive: true });
  copyFileSync(join(PACKAGE, 'package.json'), join(modules, 'wxtoken', 'package.json'));
  symlinkSync(join(PACKAGE, 'node_modules', 'koffi'), join(modules, 'koffi'));
  const carry = (libc, put) => {
    const folder = join(modules, '@libwxtoken', `linux-${process.arch}-${libc}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{"version": "0.1.0"}');
    put(join(folder, 'libwxtoken.so.0'));
    return folder;
  };
  const { WXTOKEN_LIBRARY: _, ...env } = process.env;
  const script = `const { excludeNetwork } = process.report;
    require('wxtoken');
    require('node:assert').equal(process.report.excludeNetwork, excludeNetwork, "the program's own reports are changed");
    console.log(require('node:fs').readFileSync('/proc/self/maps', 'latin1'))`;
  const load = (more) =>
    spawnSync(process.execPath, ['-e', script], { cwd: modules, env: { ...env, ...more }, encoding: 'utf8' });
  const system = execFileSync('pkg-config', ['--variable=libdir', 'wxtoken'], { encoding: 'utf8' }).trim();
  const staged = join(system, 'libwxtoken.so.0');

  const gnu = carry('gnu', (file) => copyFileSync(staged, file));
  carry('musl', (file) => writeFileSync(file, 'for another C library'));
  assert.ok(load().stdout.includes(`${gnu}/libwxtoken.so.0`), 'the package is not used');
  assert.ok(!load({ WXTOKEN_LIBRARY: staged }).stdout.includes(gnu), 'the variable does not come first');

  carry('gnu', (file) => writeFileSync(file, 'not a library'));
  const { status, stderr } = load();
  assert.equal(status, 1);
  assert.match(
    stderr,
    /cannot use the C library .*gnu\/libwxtoken\.so\.0: .*: it came with node_modules: run npm install/,
  );
});

test('its types are found, and need nothing but TypeScript', (t) => {
  const project = directory(t);
  mkdirSync(join(project, 'node_modules'));
  symlinkSync(PACKAGE, join(project, 'node_modules', 'wxtoken'));
  writeFileSync(
    join(project, 'app.ts'),
    `import { Store } from 'wxtoken';
    import { withStore } from 'wxtoken/co-wechat-api';
    export const client = async () => withStore({}, await Store.open(), 'shop');`,
  );
  const tsc = join(PACKAGE, 'node_modules', 'typescript', 'bin', 'tsc');
  const compiled = (...options) => {
    const { stdout } = spawnSync(process.execPath, [tsc, '--noEmit', '--strict', ...options, 'app.ts'], {
      cwd: project,
      encoding: 'utf8',
    });
    assert.equal(stdout, '', options.join(' '));
  };
  for (const module of ['commonjs', 'node16', 'preserve'])
    for (const lib of ['es2022', 'es2022,esnext.disposable'])
      compiled('--target', 'es2022', '--module', module, '--lib', lib);
});

test('the examples run', async (t) => {
  const account = await newAccount();
  const env = {
    ...process.env,
    WXTOKEN_STORE: join(directory(t), 'tokens.db'),
    WXTOKEN_API_BASE_URL: http,
    WXTOKEN_ID: account.id,
    WXTOKEN_SECRET: account.secret,
  };
  assert.match(run(env, PACKAGE, process.execPath, 'examples/first_get.js'), /^node {2}\S+…\S{4} {2}\d+ chars/);
  assert.match(run(env, PACKAGE, process.execPath, 'examples/co_wechat_api.js'), /\d+ callback addresses/);
});

test('the JS-SDK example signs a page as WeChat checks it', async (t) => {
  const url = 'https://shop.example/页?from=menu&q=1#top';
  const nonces = new Set();
  for (const kind of ['official', 'work']) {
    const account = await newAccount({ kind, id: `${kind === 'work' ? 'ww' : 'wx'}${hex(8)}` });
    const path = join(directory(t), 'tokens.db');
    const env = {
      ...process.env,
      WXTOKEN_STORE: path,
      WXTOKEN_API_BASE_URL: http,
      WXTOKEN_WORK_BASE_URL: http,
      WXTOKEN_KIND: kind,
      WXTOKEN_ID: account.id,
    };
    // The second time, the store has the secret.
    for (const more of [{ WXTOKEN_SECRET: account.secret }, {}]) {
      const line = run({ ...env, ...more }, PACKAGE, process.execPath, 'examples/jssdk.js', url);
      const { appId: appid, timestamp, nonceStr: noncestr, signature, ...rest } = JSON.parse(line);
      assert.deepEqual([appid, rest], [account.id, {}]);
      nonces.add(noncestr);
      assert.deepEqual(await post('/js_config', { appid, url, noncestr, timestamp, signature }), { ok: true });
      const store = await openStore(t, path);
      assert.ok(!line.includes((await store.token('demo/jsapi_ticket')).value), 'it prints the ticket');
    }
  }
  assert.equal(nonces.size, 4);

  const { status, stdout, stderr } = spawnSync(process.execPath, ['examples/jssdk.js'], {
    cwd: PACKAGE,
    encoding: 'utf8',
  });
  assert.deepEqual([status, stdout], [1, '']);
  assert.match(stderr, /^usage: /);
});
