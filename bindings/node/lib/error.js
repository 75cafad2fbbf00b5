'use strict';

/** Why a call failed. */
class WxTokenError extends Error {
  constructor(message, status, errcode = 0, retryAfterMs = 0) {
    super(message);
    this.status = status;
    this.errcode = errcode;
    this.retryAfterMs = retryAfterMs;
  }
}

// On the prototype, as Error has it: an own property would be printed with each error.
WxTokenError.prototype.name = 'WxTokenError';

module.exports = { WxTokenError };
