/**
 * Options of a Store, for open and set. The description of each begins with its default. Plain http is accepted for a
 * loopback address. With allow_plain_http, set before the URL, it is also accepted for a private address.
 */
export interface Options {
  /** `https://api.weixin.qq.com`, a URL: official accounts, mini programs. */
  api_base_url?: string;
  /** `https://qyapi.weixin.qq.com`, a URL: WeCom. */
  work_base_url?: string;
  /** `https://api.q.qq.com`, a URL: QQ mini programs. */
  qq_base_url?: string;
  /** `https://developer.toutiao.com`, a URL: Douyin mini programs, the old endpoint. */
  douyin_base_url?: string;
  /** `https://api.dingtalk.com`, a URL: DingTalk. */
  dingtalk_base_url?: string;
  /** `https://open.feishu.cn`, a URL: Feishu. */
  feishu_base_url?: string;
  /** `https://bots.qq.com`, a URL: QQ bots. */
  qqbot_base_url?: string;
  /** `https://open.douyin.com`, a URL: Douyin's open platform. */
  douyin_open_base_url?: string;
  /** `https://minigame.zijieapi.com`, a URL: Douyin mini games. */
  douyin_game_base_url?: string;
  /** `https://open.larksuite.com`, a URL: Lark. */
  lark_base_url?: string;
  /** `https://miniapp.xiaohongshu.com`, a URL: Xiaohongshu mini programs. */
  xiaohongshu_base_url?: string;
  /** `https://openapi.baidu.com`, a URL: Baidu smart programs. */
  baidu_base_url?: string;
  /** `https://api.qidian.qq.com`, a URL: QiDian. */
  qidian_base_url?: string;
  /** `8000`, 1 to 600000 ms: the longest a call waits; saving may add 2 s. */
  timeout_ms?: number;
  /** `3000`, 1 to 600000 ms: for DNS, again for connect and TLS together. */
  connect_timeout_ms?: number;
  /** `270`, 0 to 3600 s: how early to refresh; 1/10 of a life at most. */
  refresh_ahead_s?: number;
  /** `0`, 0 or 1: 1: a thread refreshes ahead; no caller waits. */
  background_refresh?: boolean;
  /** `200`, 0 to 60000 ms: how soon another process's change is seen. */
  revalidate_ms?: number;
  /** `none`, a URL: http:// or socks5h://[user:pass@]host:port. */
  proxy?: string;
  /** `any`, any, 4 or 6: which addresses of a host's name are used. */
  ip_version?: 'any' | '4' | '6';
  /** `0`, 0 or 1: 1: a private address may be plain http. */
  allow_plain_http?: boolean;
  /** `none`, a path: extra PEM certificates to trust. */
  ca_file?: string;
  /** `<store>.key`, a path: the key that seals the secrets. */
  key_file?: string;
  /** `none`, a client key: this program's key at a wxtoken server. */
  server_key?: string;
  /** `none`, a path: the file of that key. */
  server_key_file?: string;
  /** `off`, a level: off, error, info or debug; to stderr. */
  log?: 'off' | 'error' | 'info' | 'debug';
}

/** The kind of an account. docs/credentials.md of the project says what each needs. */
export type Kind =
  | 'official'
  | 'official_classic'
  | 'work'
  | 'component'
  | 'authorizer'
  | 'suite'
  | 'work_authorized'
  | 'provider'
  | 'qq'
  | 'douyin'
  | 'dingtalk'
  | 'feishu'
  | 'qqbot'
  | 'douyin_stable'
  | 'douyin_game'
  | 'dingtalk_suite'
  | 'feishu_store'
  | 'feishu_tenant'
  | 'lark'
  | 'xiaohongshu'
  | 'baidu'
  | 'qidian';

/** A field that becomes known after registration. */
export type Field = 'current' | 'retry' | 'parent' | 'verify_ticket' | 'suite_ticket' | 'app_ticket' | 'refresh_token';

export type Status =
  | 'WXTOKEN_E_ARGUMENT'
  | 'WXTOKEN_E_ACCOUNT'
  | 'WXTOKEN_E_STORE'
  | 'WXTOKEN_E_SECRET'
  | 'WXTOKEN_E_NETWORK'
  | 'WXTOKEN_E_REPLY'
  | 'WXTOKEN_E_API'
  | 'WXTOKEN_E_TIMEOUT'
  | 'WXTOKEN_E_INTERNAL';

/**
 * Describes why a call failed. The message says what failed, on what, and what to do. It contains no secret and no
 * token.
 */
export class WxTokenError extends Error {
  private constructor();
  readonly name: 'WxTokenError';
  readonly status: Status;
  /** WeChat's errcode with WXTOKEN_E_API, else 0. */
  readonly errcode: number;
  /** Milliseconds to wait before another try makes sense. 0 means at once, or unknown. */
  readonly retryAfterMs: number;
}

/** A token. As a string, as JSON and in a log it does not show its value. */
export class Token {
  private constructor();
  readonly value: string;
  /** When it expires, or null if it does not. It may be revoked earlier: see Store.reject. */
  readonly expiresAt: Date | null;
}

/** The description of every account and token that Store.report returns. The project's README explains the fields. */
export interface Report {
  store: string;
  server: { role: string | null; round_trip_ms: number } | null;
  degraded: string | null;
  reader: string | null;
  not_trusted: string | null;
  accounts: Array<{ name: string; kind: Kind; id: string; current: boolean; [field: string]: unknown }>;
  [field: string]: unknown;
}

/**
 * An open store with its own options.
 *
 * A token that the process knows is returned at once. Any other call runs on a thread of libuv's pool, so none blocks
 * the event loop. A failure is a WxTokenError, and an argument of the wrong type a TypeError.
 */
export class Store {
  private constructor();

  /**
   * Opens a store and creates it if it does not exist. Opening again is cheap, because the stores of a process share a
   * cache.
   *
   * @param path  An SQLite file on a local filesystem, in an existing directory, or a URL such as redis://HOST. Null
   *              means $WXTOKEN_STORE, else $XDG_STATE_HOME/wxtoken/tokens.db, else
   *              ~/.local/state/wxtoken/tokens.db.
   */
  static open(path?: string | null, options?: Options): Promise<Store>;

  /** Sets an option. The default of each is $WXTOKEN_<OPTION>, read when the store was opened. */
  set<Name extends keyof Options>(option: Name, value: NonNullable<Options[Name]>): Promise<void>;

  /**
   * Registers an account, or updates it. It stays in the store. Repeating it is cheap if nothing has changed. The first
   * account of a store becomes the current one.
   *
   * @param name    The account's name, which you choose: 1 to 128 bytes of UTF-8, no '/', no control characters.
   * @param id      The appid, corpid, suite_id and so on.
   * @param secret  The app secret, sealed in the store and never shown again. Null for 'authorizer' and
   *                'feishu_tenant', which have none.
   */
  register(name: string, kind: Kind, id: string, secret?: string | null): Promise<void>;

  /** Sets a field of an account that becomes known after registration. */
  put(name: string, field: Field, value?: string | null): Promise<void>;

  /** Makes this account the current one, which null names. */
  setCurrent(name: string): Promise<void>;

  /**
   * Returns a token that is valid now, of an account ('shop') or another credential of it ('shop/jsapi_ticket'). Null
   * means the current account. Asks WeChat once per expiry among all processes on the store, for at most timeout_ms.
   *
   * Call this at each use instead of keeping the token.
   */
  token(name?: string | null): Promise<Token>;

  /**
   * Reports that the API refused a token (errcode 40001, 40014 or 42001). The next token() then fetches another. If the
   * store has another one by now, nothing happens. Rejects cause at most one fetch per 30 seconds.
   */
  reject(name: string | null, token: Token | string): Promise<void>;

  /** Returns a description of every account and token. It contains no secret and no token. */
  report(): Promise<Report>;

  /**
   * Closes the store after the running calls have ended. With background_refresh it also waits for a running refresh.
   * Later calls fail with WXTOKEN_E_ARGUMENT. Closing again does nothing.
   */
  close(): Promise<void>;

  /** Closes the store, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Returns the version of the C library, such as "0.1.0". */
export function version(): string;

// For programs without the library esnext.disposable and without @types/node, which declare the same symbol.
declare global {
  interface SymbolConstructor {
    readonly asyncDispose: unique symbol;
  }
}
