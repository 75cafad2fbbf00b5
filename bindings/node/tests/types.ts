// The types must accept and refuse these uses. `npm run lint` checks them; they are never run.

import { Store, Token, WxTokenError, version } from 'wxtoken';
import { withStore } from 'wxtoken/co-wechat-api';

export async function taken(): Promise<void> {
  await using store = await Store.open('tokens.db', { timeout_ms: 3000, background_refresh: true });
  await store.set('proxy', 'http://127.0.0.1:3128');
  await store.register('shop', 'official', 'wx0123456789abcdef', 'secret');
  await store.register('customer', 'authorizer', 'wx0123456789abcdef', null);
  await store.put('customer', 'parent', 'platform');
  const token: Token = await store.token();
  const end: number | undefined = token.expiresAt?.getTime();
  await store.reject(null, token);
  await store.reject('shop', token.value);
  const names: string[] = (await store.report()).accounts.map((account) => account.name);
  const api: { prefix: string } = withStore({ prefix: '' }, store, 'shop');
  try {
    await store.token('shop/jsapi_ticket');
  } catch (e) {
    if (e instanceof WxTokenError && e.status === 'WXTOKEN_E_API')
      console.log(e.errcode, e.retryAfterMs, end, names, api);
  }
  console.log(version());
}

export async function refused(store: Store): Promise<void> {
  // @ts-expect-error: Store.open makes one
  new Store();
  // @ts-expect-error: an unknown option
  await Store.open(null, { colour: 'red' });
  // @ts-expect-error: a number where none is allowed
  await store.set('proxy', 1);
  // @ts-expect-error: an unknown kind
  await store.register('shop', 'personal', 'id', 'secret');
  // @ts-expect-error: an unknown field
  await store.put('shop', 'colour', 'red');
  // @ts-expect-error: a token is not a string
  (await store.token('shop')).trim();
}
