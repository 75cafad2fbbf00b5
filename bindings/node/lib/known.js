'use strict';

// Gets tokens that the process knows, on the thread of the event loop. The library answers at once whether it knows
// one. A thread of the pool would cost forty times as much.

const { addressOf, crosses, functions } = require('./library');
const { TOKEN, tokenIn, writtenIn } = require('./memory');

// A program alternates between few names, such as an access token and a ticket.
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

  /**
   * Returns the Token of a name, or of the current account for null. Returns undefined if that needs a call that may
   * wait.
   */
  token(name) {
    const asked = this.#names.get(name) ?? this.#learn(name);
    if (asked === undefined) return undefined;
    if (functions.wxtoken_known(this.#wx, asked.address, this.#outAddress, 0) !== 0) return undefined;
    // The Token of the last time is returned if every byte is the same: its expiry time, its length and its value.
    if (asked.token === null || Buffer.compare(asked.written, asked.before) !== 0) this.#give(asked);
    return asked.token;
  }

  // A name that C cannot take is left to the call that reports it.
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
