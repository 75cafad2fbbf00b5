'use strict';

/** A token. Printing or serialising it does not show the value. */
class Token {
  #value;

  constructor(value, expiresAt) {
    this.#value = value;
    this.expiresAt = expiresAt;
    Object.freeze(this);
  }

  get value() {
    return this.#value;
  }

  toString() {
    const end = this.expiresAt ? `until ${this.expiresAt.toISOString()}` : 'without an end';
    return `[Token of ${this.#value.length} characters ${end}]`;
  }
}

module.exports = { Token };
