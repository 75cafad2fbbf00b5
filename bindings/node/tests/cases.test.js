'use strict';

// Carries out the table of cases that every language's binding must pass: tests/CASES.md of the project.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const { mkdirSync, readFileSync, rmSync } = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');
const { Store, WxTokenError } = require('wxtoken');
const sim = require('./simulator');

const { cases } = JSON.parse(readFileSync(process.env.WXTOKEN_CASES, 'utf8'));
assert.ok(cases.length > 0, 'the table has no cases');
// The socket of a redis-server. If set, the stores of the cases are on it.
const redis = process.env.WXTOKEN_CASES_REDIS;
// An address that starts a wxtoken server for each case. If set, the stores of the cases are such servers.
const control = process.env.WXTOKEN_CASES_SERVER;

for (const { name, steps, not_over_a_server, ...unknown } of cases) {
  if (control && not_over_a_server) continue;
  test(name, async (t) => {
    assert.deepEqual(unknown, {}, 'a case with a key that this runner does not know');
    const run = new Run(sim.directory(t));
    if (control) await run.startServer();
    t.after(() => Promise.all([run.operator, ...run.stores.values()].map((store) => store?.close())));
    for (const [number, step] of steps.entries()) {
      try {
        await run.step(step);
      } catch (e) {
        throw new Error(`step ${number + 1}, ${JSON.stringify(step)}: ${e.message}`, { cause: e });
      }
    }
  });
}

class Run {
  constructor(directory) {
    this.stores = new Map();
    this.variables = {
      DIR: directory,
      STORE: redis ? `redis+unix://${redis}?prefix=${sim.hex(8)}` : join(directory, 'tokens.db'),
      ID: `wx${sim.hex(8)}`,
      CORP: `ww${sim.hex(8)}`,
      SECRET: sim.hex(16),
      HTTP: sim.http,
      HTTPS: sim.https,
      CA: sim.ca,
    };
  }

  /** Makes the store a server from now on. `operator` is the server's own store, opened as its operator does. */
  async startServer() {
    const answer = await fetch(control, { method: 'POST' });
    const { store, key, file } = await answer.json();
    assert.ok(store, `no server was started: ${answer.status}`);
    this.variables.STORE = store;
    this.key = key;
    this.operator = await Store.open(file, { api_base_url: sim.http, work_base_url: sim.http });
  }

  async step(raw) {
    const { do: verb, over_a_server = {}, ...own } = this.filled(raw);
    const keys = control ? { ...own, ...over_a_server } : own;
    if (Object.hasOwn(PLAIN, verb)) return PLAIN[verb](this, new Keys(verb, keys));
    assert.ok(Object.hasOwn(LIBRARY, verb), `unknown verb ${verb}: this runner must learn it`);
    const { status, ...rest } = keys;
    if (status === undefined) return LIBRARY[verb](this, new Keys(verb, rest));
    const { errcode, retry_after_ms, message_has = [], message_hides = [], ...arguments_ } = rest;
    const failure = await LIBRARY[verb](this, new Keys(verb, arguments_)).then(
      () => assert.fail(`it succeeds, and should fail with ${status}`),
      (e) => e,
    );
    assert.ok(failure instanceof WxTokenError, failure);
    assert.equal(failure.status, status, failure.message);
    if (errcode !== undefined) assert.equal(failure.errcode, errcode);
    if (retry_after_ms !== undefined) within(retry_after_ms, failure.retryAfterMs);
    for (const part of message_has) assert.ok(failure.message.includes(part), `no "${part}" in: ${failure.message}`);
    for (const hidden of message_hides) assert.ok(!failure.stack.includes(hidden), `"${hidden}" in: ${failure.stack}`);
  }

  /** Returns `value` with the variables replaced in every string, the longest name first. */
  filled(value) {
    if (typeof value === 'string') {
      const names = Object.keys(this.variables).sort((a, b) => b.length - a.length);
      return value.replace(new RegExp(`\\$(${names.join('|')})`, 'g'), (_, name) => this.variables[name]);
    }
    if (Array.isArray(value)) return value.map((item) => this.filled(item));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.filled(item)]));
  }

  store(handle) {
    assert.ok(this.stores.has(handle), `no open handle ${handle}`);
    return this.stores.get(handle);
  }
}

/** The keys of one step. */
class Keys {
  constructor(verb, keys) {
    this.verb = verb;
    this.keys = keys;
  }

  /** Takes all keys: the `required` ones must exist, the `optional` ones have defaults, and no others are allowed. */
  take(required, optional = {}) {
    for (const key of required) assert.ok(key in this.keys, `${this.verb} lacks the key ${key}`);
    for (const key of Object.keys(this.keys)) {
      assert.ok(required.includes(key) || key in optional, `unknown key ${key} of ${this.verb}: learn it`);
    }
    return { ...optional, ...this.keys };
  }
}

function remove(path) {
  if (path.startsWith('redis')) execFileSync('redis-cli', ['-s', redis, 'FLUSHALL']);
  else rmSync(path);
}

const PLAIN = {
  async sim(run, step) {
    const { path, body, keep } = step.take(['path', 'body'], { keep: {} });
    const answer = await sim.post(path, body);
    for (const [variable, field] of Object.entries(keep)) run.variables[variable] = answer[field];
  },
  async counters(run, step) {
    const { id, has } = step.take(['id', 'has']);
    const counted = await sim.counters(id);
    assert.deepEqual(Object.fromEntries(Object.keys(has).map((field) => [field, counted[field]])), has);
  },
  async business(run, step) {
    const { kind, token, errcode } = step.take(['kind', 'token', 'errcode']);
    assert.equal(await sim.errcode(kind, token), errcode);
  },
  async file(run, step) {
    const { path, change } = step.take(['path', 'change']);
    const changes = { delete: remove, directory: mkdirSync };
    assert.ok(change in changes, `unknown change ${change}`);
    changes[change](path);
  },
};

const LIBRARY = {
  async open(run, step) {
    const { handle, store, options } = step.take([], { handle: 'main', store: run.variables.STORE, options: {} });
    const isServer = run.operator && store === run.variables.STORE;
    const client = isServer ? { server_key: run.key, revalidate_ms: '0' } : {};
    const opened = await Store.open(store, { api_base_url: sim.http, work_base_url: sim.http, ...client, ...options });
    run.stores.set(handle, opened);
  },
  async close(run, step) {
    const { handle } = step.take([], { handle: 'main' });
    await run.store(handle).close();
    run.stores.delete(handle);
  },
  async set(run, step) {
    const { handle, option, value } = step.take(['option', 'value'], { handle: 'main' });
    await run.store(handle).set(option, value);
  },
  async account(run, step) {
    const { handle, account, kind, id, secret } = step.take(['account', 'kind', 'id', 'secret'], { handle: 'main' });
    await run.operator?.register(account, kind, id, secret);
    await run.store(handle).register(account, kind, id, secret);
  },
  async put(run, step) {
    const { handle, account, field, value } = step.take(['account', 'field', 'value'], { handle: 'main' });
    const isOperators = run.operator && ['current', 'parent'].includes(field);
    await (isOperators ? run.operator : run.store(handle)).put(account, field, value);
  },
  async get(run, step) {
    const { handle, name, as, same_as, other_than, expires_in } = step.take(['name'], {
      handle: 'main',
      as: null,
      same_as: null,
      other_than: null,
      expires_in: null,
    });
    const token = await run.store(handle).token(name);
    if (as) run.variables[as] = token.value;
    if (same_as) assert.equal(token.value, run.variables[same_as]);
    if (other_than) assert.notEqual(token.value, run.variables[other_than]);
    if (expires_in) within(expires_in, (token.expiresAt.getTime() - Date.now()) / 1000);
  },
  async reject(run, step) {
    const { handle, name, token } = step.take(['name', 'token'], { handle: 'main' });
    await run.store(handle).reject(name, token);
  },
  async report(run, step) {
    const { handle, has, hides } = step.take([], { handle: 'main', has: {}, hides: [] });
    const report = await run.store(handle).report();
    for (const [path, value] of Object.entries(has)) {
      const found = path.split('.').reduce((part, key) => part?.[key], report);
      assert.deepEqual(found, value, path);
    }
    for (const hidden of hides) assert.ok(!JSON.stringify(report).includes(hidden), `"${hidden}" is in the report`);
  },
};

function within([least, most], value) {
  assert.ok(value >= least && value <= most, `${value} is not within ${least} to ${most}`);
}
