'use strict';

// Lets a client of co-wechat-api take its tokens and tickets from a Store.

const REFUSED = [40001, 40014, 42001];
const TICKETS = { jsapi: 'jsapi_ticket', wx_card: 'card_ticket' };

function withStore(api, store, name) {
  // What the store gives is good now: the client need not judge by the clock.
  const expireTime = Infinity;
  api.getToken = async () => ({ accessToken: (await store.token(name)).value, expireTime });
  api.getAccessToken = api.ensureAccessToken;
  api.getTicketToken = async (type = 'jsapi') => {
    const credential = TICKETS[type];
    if (!credential) throw new TypeError(`${name} has no ticket of type ${type}`);
    return { ticket: (await store.token(`${name}/${credential}`)).value, expireTime };
  };

  // With this, the client does not mint when a token is refused; nor does it ask again, which is done here.
  api.tokenFromCustom = true;
  const request = api.request;
  api.request = async function (url, options, retry) {
    try {
      return await request.call(this, url, options, retry);
    } catch (e) {
      const again = new URL(url);
      const refused = again.searchParams.get('access_token');
      if (!REFUSED.includes(e.code) || !refused) throw e;
      await store.reject(name, refused);
      // A stream has been read by now.
      if (typeof options?.data?.pipe === 'function') throw e;
      again.searchParams.set('access_token', (await store.token(name)).value);
      return request.call(this, again.href, options, retry);
    }
  };
  return api;
}

module.exports = { withStore };
