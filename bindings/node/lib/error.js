'use strict';

/** Describes why a call failed. */
class WxTokenError extends Error {
  constructor(message, status, errcode = 0, retryAfterMs = 0) {
    super(message);
    this.status = status;
    this.errcode = errcode;
    this.retryAfterMs = retryAfterMs;
  }
}

// On the prototype, as in Error, because an own property would be printed with each error.
WxTokenError.prototype.name = 'WxTokenError';

module.exports = { WxTokenError };
