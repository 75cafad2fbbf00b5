'use strict';

// Store: the calls of the C library as promises. It keeps no tokens and decides nothing itself.

const { badArgument, call, free, optionalText, text } = require('./library');
const { Known } = require('./known');
const { TOKEN, tokenIn } = require('./memory');
const { Token } = require('./token');

class Store {
  #handle;
  #closing = null;
  // The calls inside the library. close() waits for them.
  #inside = new Set();
  // The gets under way, by name. Further callers wait for the same get, which saves a thread each.
  #gets = new Map();
  #known;

  constructor(key, handle) {
    if (key !== OPENING) throw new TypeError('open a Store with await Store.open(path)');
    this.#handle = handle;
    this.#known = new Known(handle);
  }

  static async open(path = null, options = {}) {
    const out = [null];
    await call('wxtoken_init', optionalText('path', path), out);
    const store = new Store(OPENING, out[0]);
    try {
      for (const [option, value] of Object.entries(options)) {
        if (value != null) await store.set(option, value);
      }
    } catch (e) {
      await store.close();
      throw e;
    }
    return store;
  }

  async set(option, value) {
    await this.#change('wxtoken_set', text('option', option), text('value', optionText(option, value)));
  }

  async register(name, kind, id, secret = null) {
    await this.#change(
      'wxtoken_register',
      text('name', name),
      text('kind', kind),
      text('id', id),
      optionalText('secret', secret),
    );
  }

  async put(name, field, value = null) {
    await this.#change('wxtoken_put', text('name', name), text('field', field), optionalText('value', value));
  }

  async setCurrent(name) {
    await this.put(name, 'current');
  }

  async token(name = null) {
    this.#mustBeOpen();
    const known = this.#known.token(name);
    if (known !== undefined) return known;
    const key = optionalText('name', name);
    if (!this.#gets.has(key)) this.#gets.set(key, this.#get(key));
    return await this.#gets.get(key);
  }

  async reject(name, token) {
    const value = token instanceof Token ? token.value : token;
    await this.#change('wxtoken_reject', optionalText('name', name), text('token', value));
  }

  async report() {
    for (let room = 4096; ;) {
      const buffer = Buffer.alloc(room);
      const needed = [0];
      try {
        await this.#call('wxtoken_report', buffer, room, needed);
        return JSON.parse(buffer.toString('utf8', 0, needed[0] - 1));
      } catch (e) {
        // The report may grow between two calls.
        if (needed[0] <= room) throw e;
        room = needed[0];
      }
    }
  }

  close() {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]() {
    return this.close();
  }

  async #get(name) {
    const out = Buffer.alloc(TOKEN.size);
    try {
      await this.#call('wxtoken_get', name, out);
    } finally {
      this.#gets.delete(name);
    }
    return tokenIn(out);
  }

  // A caller that asks after a change must not get a result from before it.
  async #change(name, ...args) {
    try {
      await this.#call(name, ...args);
    } finally {
      this.#gets.clear();
    }
  }

  async #call(name, ...args) {
    this.#mustBeOpen();
    const running = call(name, this.#handle, ...args);
    this.#inside.add(running);
    try {
      await running;
    } finally {
      this.#inside.delete(running);
    }
  }

  #mustBeOpen() {
    if (this.#closing) throw badArgument('this Store is closed: open another');
  }

  async #end() {
    await Promise.allSettled(this.#inside);
    await free(this.#handle);
  }
}

const OPENING = Symbol('opening');

function optionText(option, value) {
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return value;
  throw new TypeError(`option ${option} must be a string, number or boolean, not ${typeof value}`);
}

module.exports = { Store };
