'use strict';

// The structs of the C library as bytes in Node's memory. Each call has its own. tests/header.test.js compares them
// with wxtoken.h.

const { Token } = require('./token');

const ERROR = { size: 512, errcode: 4, retryAfterMs: 8, message: 16 };
const TOKEN = { size: 1040, expiresAt: 0, length: 8, value: 16 };

/** Returns the content of a wxtoken_error. */
function failureIn(error) {
  const end = error.indexOf(0, ERROR.message);
  return {
    message: error.toString('utf8', ERROR.message, end),
    errcode: error.readInt32LE(ERROR.errcode),
    retryAfterMs: Number(error.readBigInt64LE(ERROR.retryAfterMs)),
  };
}

/** Returns the bytes of a wxtoken_token that were written. */
function writtenIn(out) {
  return out.subarray(0, TOKEN.value + Number(out.readBigUInt64LE(TOKEN.length)));
}

/** Returns the Token of a wxtoken_token. */
function tokenIn(out) {
  const expiresAt = Number(out.readBigInt64LE(TOKEN.expiresAt));
  const value = writtenIn(out).toString('utf8', TOKEN.value);
  return new Token(value, expiresAt === 0 ? null : new Date(expiresAt * 1000));
}

module.exports = { ERROR, TOKEN, failureIn, tokenIn, writtenIn };
