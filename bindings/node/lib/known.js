'use strict';

// The tokens that the process knows, asked for on the thread of the event loop: the library answers that at once, or not
// at all. A thread of the pool would cost forty times as much.

const { addressOf, crosses, functions } = require('./library');
const { TOKEN, tokenIn, writtenIn } = require('./memory');

// A program uses few names in turns: an access token and a ticket.
const NAMES = 8;
const LONGEST_NAME = 1024;

class Known {
  #wx;
  #out = Buffer.alloc(TOKEN.size);
  #outAddress = addressOf(this.#out);
  #names = new Map();

  constructor(handle) {
    this.#wx = addressOf(handle);
  }

  /** The Token of this name, which is null for the current account; undefined where it takes a call that may wait. */
  token(name) {
    const asked = this.#names.get(name) ?? this.#learn(name);
    if (asked === undefined) return undefined;
    if (functions.wxtoken_known(this.#wx, asked.address, this.#outAddress, 0) !== 0) return undefined;
    // The Token of the last time, where every byte is the same: its end, its length and its value.
    if (asked.token === null || Buffer.compare(asked.written, asked.before) !== 0) this.#give(asked);
    return asked.token;
  }

  // What does not cross is left to the call that says so.
  #learn(name) {
    let text = null;
    if (name !== null) {
      if (typeof name !== 'string' || name.length > LONGEST_NAME || !crosses(name)) return undefined;
      text = Buffer.from(`${name}\0`);
    }
    if (this.#names.size === NAMES) this.#names.clear();
    const asked = { text, address: text === null ? 0 : addressOf(text), written: null, before: null, token: null };
    this.#names.set(name, asked);
    return asked;
  }

  #give(asked) {
    asked.written = writtenIn(this.#out);
    asked.before = Buffer.from(asked.written);
    asked.token = tokenIn(this.#out);
  }
}

module.exports = { Known };
