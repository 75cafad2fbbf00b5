import type { Store } from './index';

/**
 * Makes a client of co-wechat-api take its access tokens, jsapi_tickets and card tickets from a store.
 *
 * If WeChat refuses one of these tokens (40001, 40014, 42001), the client rejects it in the store. The client repeats
 * the call once with another token, if there is one. An upload is not repeated, because its stream has been read, but
 * the next one has the other token. A call with another token, such as a user's, is left alone.
 *
 * @param api    A client: `new WechatAPI(appid)`. It needs no appsecret, and is changed in place.
 * @param name   An account of the store, of kind 'official', 'official_classic' or 'authorizer'.
 * @returns The same client.
 */
export function withStore<API extends object>(api: API, store: Store, name: string): API;
