'use strict';

// Access tokens of WeChat and other platforms, fetched once and shared by every process and language on the host.
// index.d.ts is the manual.

const { version } = require('./library');
const { Store } = require('./store');
const { Token } = require('./token');
const { WxTokenError } = require('./error');

module.exports = { Store, Token, WxTokenError, version };
