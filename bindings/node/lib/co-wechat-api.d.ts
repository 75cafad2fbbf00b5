import type { Store } from './index';

/**
 * Makes a client of co-wechat-api take its access tokens, jsapi_tickets and card tickets from a store.
 *
 * When WeChat refuses one of these tokens (40001, 40014, 42001) the client rejects that one in the store and repeats the
 * call once with another, if there is one; an upload, whose stream is spent, is not repeated, but the next one has the
 * other token. A call that carries another token, as that of a user, is left alone.
 *
 * @param api    A client: `new WechatAPI(appid)`. It needs no appsecret, and is changed in place.
 * @param name   An account of the store, of kind 'official', 'official_classic' or 'authorizer'.
 * @return The same client.
 */
export function withStore<API extends object>(api: API, store: Store, name: string): API;
