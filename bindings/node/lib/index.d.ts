/** What a Store is opened with, or set to. Each begins with its default. Plain http is for a loopback address, and with
 * allow_plain_http, which stands before the URL, for a private one. */
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
  /** `0`, 0 or 1: 1: a thread refreshes ahead; nobody waits. */
  background_refresh?: boolean;
  /** `200`, 0 to 60000 ms: how soon another process's change is seen. */
  revalidate_ms?: number;
  /** `none`, a URL: http:// or socks5h://[user:pass@]host:port. */
  proxy?: string;
  /** `any`, any, 4 or 6: which addresses of a host's name are used. */
  ip_version?: 'any' | '4' | '6';
  /** `0`, 0 or 1: with 1 a private address may be plain http. */
  allow_plain_http?: boolean;
  /** `none`, a path: PEM certificates to trust beside the web PKI. */
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

/** What an account is; docs/credentials.md of the project says what each needs. */
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

/** What is known later than the registration. */
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

/** Why a call failed. The message says what failed, on what, and what to do; it never holds a secret or a token. */
export class WxTokenError extends Error {
  private constructor();
  readonly name: 'WxTokenError';
  readonly status: Status;
  /** WeChat's errcode with WXTOKEN_E_API, else 0. */
  readonly errcode: number;
  /** Milliseconds after which another try makes sense; 0 is at once, or unknown. */
  readonly retryAfterMs: number;
}

/** A token. As a string, as JSON and in a log it does not show its value. */
export class Token {
  private constructor();
  readonly value: string;
  /** When it ends; null where it has no end. It may be revoked earlier: see Store.reject. */
  readonly expiresAt: Date | null;
}

/** What there is to know of every account and token; the project's README describes it. */
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
 * One open store, with options of its own.
 *
 * A token that the process knows is given at once. Any other call runs on a thread of libuv's pool, so none holds up the
 * event loop. A failure is a WxTokenError; an argument of the wrong type a TypeError.
 */
export class Store {
  private constructor();

  /**
   * Opens a store, and makes it when absent. Cheap to repeat: the stores open in a process share what it knows.
   *
   * @param path  An SQLite file on a local filesystem, whose directory exists, or a URL as redis://HOST. Null is
   *              $WXTOKEN_STORE, else
   *              $XDG_STATE_HOME/wxtoken/tokens.db, else ~/.local/state/wxtoken/tokens.db.
   */
  static open(path?: string | null, options?: Options): Promise<Store>;

  /** Sets an option; the default of each is $WXTOKEN_<OPTION> as it was when the store was opened. */
  set<Name extends keyof Options>(option: Name, value: NonNullable<Options[Name]>): Promise<void>;

  /**
   * Registers an account, or updates it. It stays in the store; repeating it is cheap when nothing has changed. The
   * first account of a store becomes the current one.
   *
   * @param name    Of your choosing: 1 to 128 bytes of UTF-8, no '/', no control characters.
   * @param id      The appid, corpid, suite_id and so on.
   * @param secret  Its secret, sealed in the store and never shown again; null for 'authorizer', which has none.
   */
  register(name: string, kind: Kind, id: string, secret?: string | null): Promise<void>;

  /** Sets a field of an account. */
  put(name: string, field: Field, value?: string | null): Promise<void>;

  /** Makes this account the one that null names. */
  setCurrent(name: string): Promise<void>;

  /**
   * A token that is valid now, of an account ('shop') or another credential of it ('shop/jsapi_ticket'); null is the
   * current account. Asks WeChat once per expiry among all processes on the store, for up to timeout_ms.
   *
   * Ask for the token at each use rather than keep it.
   */
  token(name?: string | null): Promise<Token>;

  /**
   * Says that the API refused a token (errcode 40001, 40014 or 42001): the next token() fetches another. If the store
   * has another one by now, nothing happens. Rejects cause at most one fetch per 30 seconds.
   */
  reject(name: string | null, token: Token | string): Promise<void>;

  /** What there is to know of every account and token. No secret and no token is in it. */
  report(): Promise<Report>;

  /**
   * Closes it, when the calls that are under way have ended, and with background_refresh waits for a refresh. Later
   * calls fail with WXTOKEN_E_ARGUMENT. Closing twice is fine.
   */
  close(): Promise<void>;

  /** For `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** The version of the C library, such as "0.1.0". */
export function version(): string;

// For those who have neither the library esnext.disposable nor @types/node, which declare the same.
declare global {
  interface SymbolConstructor {
    readonly asyncDispose: unique symbol;
  }
}
