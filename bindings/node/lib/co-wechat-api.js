'use strict';

// Lets a client of co-wechat-api take its tokens and tickets from a Store.

const REFUSED = [40001, 40014, 42001];
const TICKETS = { jsapi: 'jsapi_ticket', wx_card: 'card_ticket' };
// In a long-lived process, calls under way may carry older tokens.
const REMEMBERED = 8;

function withStore(api, store, name) {
  // The last tokens that the client was given, newest first. They tell whose token a call carries. The token of a user,
  // or of another account, must be neither rejected nor replaced.
  let given = [];
  const give = async () => {
    const { value } = await store.token(name);
    if (value !== given[0]) given = [value, ...given.filter((other) => other !== value)].slice(0, REMEMBERED);
    return value;
  };

  // The store's token is good now, so the client must not judge it by the clock.
  const expireTime = Infinity;
  api.getToken = async () => ({ accessToken: await give(), expireTime });
  api.getAccessToken = api.ensureAccessToken;
  api.getTicketToken = async (type = 'jsapi') => {
    const credential = TICKETS[type];
    if (!credential) throw new TypeError(`${name} has no ticket of type ${type}`);
    return { ticket: (await store.token(`${name}/${credential}`)).value, expireTime };
  };

  // With this, the client does not mint when a token is refused. It does not ask again either, so the code below does.
  api.tokenFromCustom = true;
  const request = api.request;
  api.request = async function (url, options, retry) {
    const parts = String(url).split(/([?&#])/);
    const carried = given.find((token) => parts.includes(pair(token)));
    try {
      return await request.call(this, url, options, retry);
    } catch (e) {
      if (!REFUSED.includes(e.code) || !carried) throw e;
      await store.reject(name, carried);
      // The stream has been read by now.
      if (typeof options?.data?.pipe === 'function') throw e;
      const successor = await give();
      // This happens within 30 s of another reject.
      if (successor === carried) throw e;
      const again = parts.map((part) => (part === pair(carried) ? pair(successor) : part)).join('');
      return request.call(this, again, options, retry);
    }
  };
  return api;
}

/** Returns a token as the client writes it into a URL. */
function pair(token) {
  return `access_token=${token}`;
}

module.exports = { withStore };
