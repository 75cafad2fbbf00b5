/* libwxtoken: WeChat access tokens and tickets for every process and language of a host.
 *
 * A program calls the API of WeChat, WeCom and similar platforms with an access token. The platform gives the token for
 * an app's id and secret. Most tokens live two hours, the fetches of a day are limited, and some platforms end a token
 * when the next one is fetched. All programs of an app should therefore use one token.
 *
 * With this library, a program registers an account once, and asks for its token at each use. All processes share one
 * store, an SQLite file. One process fetches a token for all of them, once per expiry, and refreshes it before it ends.
 * The others read it in the store, or in their memory. No daemon is needed. Secrets are sealed in the store.
 *
 * FIRST USE
 *     #include <stdio.h>
 *     #include <stdlib.h>
 *     #include <wxtoken.h>
 *
 *     int main(void)
 *     {
 *         wxtoken *wx = NULL;
 *         wxtoken_token token;
 *         wxtoken_error err;
 *         int failed = wxtoken_init("tokens.db", &wx, &err)
 *                   || wxtoken_register(wx, "shop", "official", getenv("WXTOKEN_ID"), getenv("WXTOKEN_SECRET"), &err)
 *                   || wxtoken_get(wx, "shop", &token, &err);
 *         if (failed)
 *             fprintf(stderr, "%s: %s\n", wxtoken_status_name(err.status), err.message);
 *         else
 *             printf("a token of %zu characters\n", token.length);
 *         wxtoken_free(wx);
 *         return failed;
 *     }
 *
 *   Compile     cc app.c $(pkg-config --cflags --libs wxtoken) -o app
 *   Static      libs=$(pkg-config --static --libs wxtoken | sed s/-lwxtoken/-l:libwxtoken.a/)
 *               cc app.c $(pkg-config --cflags wxtoken) $libs -o app
 *               Prefer the shared library. The static one brings its own SQLite symbols, and no plugin that is unloaded
 *               may contain it.
 *   Documents   This header is the manual of the C API. Programs of C90, C++98 and all later standards can include
 *               it, and its examples are C99. The other documents are in https://github.com/libwxtoken/libwxtoken:
 *               docs/README.md leads to each, such as docs/credentials.md for the kinds of accounts and
 *               docs/errors.md for failures. The man page libwxtoken(7) has the files, the environment and the words.
 *
 * WORDS
 *   Account     A registered name, such as "shop", with its kind, its id and its sealed secret.
 *   Kind        The sort of an account, such as "official" or "work". wxtoken_register lists the kinds.
 *   Credential  An access token or a ticket of an account: "shop", "shop/jsapi_ticket".
 *   Store       The place of accounts and tokens: an SQLite file, a server of Redis, or a wxtoken server.
 *   Key file    The file that seals the secrets: <store>.key by default. A process that cannot read it cannot fetch.
 *   Reader      A process that may read the store, but cannot fetch.
 *   Keeper      The command `wxtoken keep`. It refreshes each credential ahead of all others, and fetches for readers.
 *   Bridge      The command `wxtoken keep --from`. It brings tokens from another store instead of fetching them.
 *   Server      The command `wxtoken serve`. It is a keeper that hands tokens to clients over HTTP.
 *   Back-off    The time for which a failure stands for all processes: err->retry_after_ms.
 *
 * CAVEATS
 *   Fork        Any thread may fork() at any time, and both sides may go on using their handles. A child of raw clone()
 *               may not, because clone() runs no pthread_atfork handlers. A pthread_atfork handler of the host may call
 *               any function.
 *               Fix: use fork() or posix_spawn(), and do not fork in a signal handler.
 *   Signals     A signal handler may call wxtoken_version and wxtoken_status_name, and no other function.
 *               Fix: set a flag in the handler, and call the library later.
 *   Descriptor  A host may close the library's descriptors, as closefrom() does: a call opens its files again. But a
 *               call cannot notice another file that takes such a number in the middle of a write.
 *               Fix: close no descriptor that you did not open.
 *   Network     Locks do not reach across hosts. A store on NFS or SMB, or shared between virtual machines, can break.
 *               Fix: keep the store on a local disk, one for each host, or in Redis.
 *   SQLite      A process that uses the library must not open the store file by other means, such as its own SQLite.
 *               The locks of that SQLite are lost whenever the library closes a descriptor of the file. Two copies of
 *               this library may share a store.
 *               Fix: call wxtoken_report, or look with the sqlite3 tool from another process.
 *   Lock        Two processes may fetch at once after <store>.lock was deleted.
 *               Fix: leave that file alone while a process uses the store. It stays empty.
 *
 * RULES OF THE WHOLE API
 *   Strings     A parameter is NUL-terminated UTF-8. The call copies it before it returns. Any NULL pointer is
 *               WXTOKEN_E_ARGUMENT unless a function says otherwise.
 *   Memory      Every struct and buffer belongs to the caller. Only a handle belongs to the library: wxtoken_free ends
 *               it. Structs need no initialisation.
 *   Outputs     A call writes its outputs on success only, and *err on failure only. The one exception is *needed of
 *               wxtoken_report, which is also set when cap is too small.
 *   Threads     Any thread may call any function, and threads may share a handle. While wxtoken_free ends a handle, no
 *               other call may use it. Do not pthread_cancel or longjmp out of a call.
 *   Stack       A thread or coroutine that calls needs 96 KiB of stack. A known token takes 8 KiB of it, a fetch 48,
 *               and a fetch by TLS 72.
 *   Host        No function exits, installs a signal handler or writes to stdout. When memory runs out, a call fails,
 *               or the process aborts as Rust programs do. A thread of the library outlives a call in two cases: a
 *               background refresh, if that option is set, and a look-up of a host name that is not answered in time.
 *               Such a thread blocks all signals. No call raises SIGPIPE, and descriptors are close-on-exec.
 *   Status      Any call may return WXTOKEN_E_INTERNAL. Treat a status that you do not know as a failure;
 *               wxtoken_status_name gives its name. The type wxtoken_status says what to do about each.
 *   Version     WXTOKEN_VERSION_NUMBER is for #if. The library at run time may be another one: see wxtoken_version.
 *   ABI         The SONAME is libwxtoken.so.0. While it stays, no function, layout or number changes. A newer version
 *               only adds functions, options, kinds and statuses.
 *
 * WHICH CALLS WAIT
 *   wxtoken_get                   for a fetch: up to timeout_ms, and 2 s more to save the token; a known token: up to
 *                                 100 ms, once per revalidate_ms, while the store is held or its server is away
 *   wxtoken_reject                for the store: up to timeout_ms; in a reader for the keeper: up to 2 s
 *   wxtoken_init, wxtoken_register, wxtoken_put, wxtoken_report
 *                                 for the store: up to timeout_ms
 *   wxtoken_free                  for a background refresh of this handle: up to timeout_ms
 *   wxtoken_known, wxtoken_set, wxtoken_version, wxtoken_status_name
 *                                 never
 *
 * A stalled disk holds a call up for longer, beyond its timeout_ms.
 *
 * cbindgen makes this file of src/ffi: `make header` rewrites it.
 */

#ifndef WXTOKEN_H
#define WXTOKEN_H

#include <stddef.h>
#include <stdint.h>

/** The version of this header. */
#define WXTOKEN_VERSION "0.1.0"
/** The first number of the version. */
#define WXTOKEN_VERSION_MAJOR 0
/** The second number of the version. */
#define WXTOKEN_VERSION_MINOR 1
/** The third number of the version. */
#define WXTOKEN_VERSION_PATCH 0
/** The version as one number, to compare in #if: 1002003 for version 1.2.3. */
#define WXTOKEN_VERSION_NUMBER (WXTOKEN_VERSION_MAJOR * 1000000 + WXTOKEN_VERSION_MINOR * 1000 + WXTOKEN_VERSION_PATCH)

/** Sizes in bytes. */
enum {
    /** The longest name of an account, without the NUL. */
    WXTOKEN_NAME_MAX = 128,
    /** The size of wxtoken_error.message, with the NUL. */
    WXTOKEN_MESSAGE_SIZE = 496,
    /** The size of wxtoken_token.value, with the NUL. */
    WXTOKEN_TOKEN_SIZE = 1024
};

/**
 * The result of a call. A newer library may add statuses: treat one that you do not know as a failure.
 *
 * Log err->message: it has the particulars, and often a hint. Then do this:
 *
 *     status              try again             to mend it
 *     WXTOKEN_E_ARGUMENT  no                    correct the call, or the variable that the message names
 *     WXTOKEN_E_ACCOUNT   no                    register the account, or put its parent; is it the right store?
 *     WXTOKEN_E_STORE     when it is mended     operator: owner, mode and free space of the store
 *     WXTOKEN_E_SECRET    when it is mended     put the ticket; operator: restore the key file, or start a keeper
 *     WXTOKEN_E_NETWORK   after retry_after_ms  operator, if it lasts: DNS, firewall, proxy, ca_file
 *     WXTOKEN_E_REPLY     after retry_after_ms  operator: what answers at the base URL?
 *     WXTOKEN_E_API       after retry_after_ms  operator: look the errcode up; secret, IP allow list or quota
 *     WXTOKEN_E_TIMEOUT   after retry_after_ms  allow a longer timeout_ms; operator, if it lasts: network, disk
 *     WXTOKEN_E_INTERNAL  no                    report it, with the version and the call
 *
 * A retry_after_ms of 0 means that no time is known: try again at the next use, or after a few seconds. A try that
 * comes too early does no harm. It makes no request, and gets the same failure.
 */
typedef enum wxtoken_status {
    /** Done. */
    WXTOKEN_OK = 0,
    /** An argument, option or environment variable is unusable; nothing was changed. */
    WXTOKEN_E_ARGUMENT = 1,
    /** The account is not in this store, or its parent is missing. */
    WXTOKEN_E_ACCOUNT = 2,
    /** The store cannot be opened, read or written, or belongs to another program. */
    WXTOKEN_E_STORE = 3,
    /** No valid token, and the secret, ticket or refresh token for a fetch is missing or unreadable. */
    WXTOKEN_E_SECRET = 4,
    /** The platform was not reached: DNS, connect, TLS, or a reset. */
    WXTOKEN_E_NETWORK = 5,
    /** A host answered, but not with a valid token response. */
    WXTOKEN_E_REPLY = 6,
    /** The platform answered an errcode. */
    WXTOKEN_E_API = 7,
    /** The call's timeout_ms passed, in a fetch or in waiting for another process. */
    WXTOKEN_E_TIMEOUT = 8,
    /** A defect in the library; the host goes on. */
    WXTOKEN_E_INTERNAL = 9
} wxtoken_status;

/**
 * A handle: an open store with options of its own. wxtoken_init makes it, and wxtoken_free frees it. Many threads may
 * use it at once. After a fork() both sides may go on using it, and each frees its own copy.
 */
typedef struct wxtoken wxtoken;

/**
 * The reason of a failure, in 512 bytes of the caller. A call writes it on failure only. NULL may be passed instead.
 */
typedef struct wxtoken_error {
    /** The status that the call returned. */
    wxtoken_status status;
    /** The platform's errcode with WXTOKEN_E_API, else 0. It is 0 for DingTalk, whose codes are words. */
    int32_t errcode;
    /** Milliseconds until the next request; no process makes one sooner. 0 means that no time is known. */
    int64_t retry_after_ms;
    /**
     * A text for people, NUL-terminated UTF-8: "what failed: its cause; hint: What to do." A long text is shortened in
     * the cause first, and in the hint last. It never holds a secret or a token.
     */
    char message[496];
} wxtoken_error;

/** A token, in the caller's memory. A call writes it on success only. */
typedef struct wxtoken_token {
    /**
     * The time of its end in Unix seconds, or 0 if none is known. A platform may end it earlier: see wxtoken_reject.
     */
    int64_t expires_at;
    /** Bytes of value, without the NUL. */
    size_t length;
    /** The token, NUL-terminated. Only the first length + 1 bytes are written. */
    char value[1024];
} wxtoken_token;

#ifdef __cplusplus
extern "C" {
#endif /* __cplusplus */

/**
 * Opens a store, and creates it if it is absent. All handles of a process on one store share what the process knows. A
 * program may therefore open and free handles as often as it likes.
 *
 *     store                                        what it is
 *     PATH                                         an SQLite file on a local disk; its directory must exist
 *     redis://[USER:PASSWORD@]HOST[:PORT][/DB]     a server of Redis or Valkey, for many hosts
 *     rediss://[USER:PASSWORD@]HOST[:PORT][/DB]    such a server, by TLS
 *     redis+unix:///PATH                           such a server, by its Unix socket
 *     redis+sentinel://HOST1,HOST2/MASTER          the master that these sentinels name
 *     redis+cluster://HOST1,HOST2                  a cluster, found by some of its nodes
 *     https://HOST[:PORT]                          a wxtoken server; see the option server_key
 *     unix:/PATH                                   a wxtoken server, by its Unix socket
 *     http://HOST[:PORT]                           a wxtoken server on a loopback address
 *
 * A URL of Redis may end in ?prefix=NAME, where the default is wxtoken. $WXTOKEN_STORE_PASSWORD_FILE may name a file
 * that holds the password. docs/scale-out.md describes the choice between these stores.
 *
 * @param store  A store of the table, at most 4096 bytes. A later chdir() does not move a relative path. NULL is
 *               $WXTOKEN_STORE, else $XDG_STATE_HOME/wxtoken/tokens.db, else ~/.local/state/wxtoken/tokens.db.
 * @param out    Receives the handle. Free it with wxtoken_free.
 * @param err    Receives the reason of a failure. It may be NULL, here and in every function.
 * @retval WXTOKEN_OK          The handle is in *out.
 * @retval WXTOKEN_E_ARGUMENT  The store or an environment variable is unusable.
 * @retval WXTOKEN_E_STORE     The store cannot be opened or created, or belongs to another program or a newer version.
 * @retval WXTOKEN_E_TIMEOUT   Another process held the store for timeout_ms.
 *
 * Only this function reads the environment: $WXTOKEN_STORE, and a variable for each option of wxtoken_set. A program
 * with rights that its caller lacks reads none of it, as with secure_getenv. Such a program is set-user-ID or
 * set-group-ID, or has capabilities (AT_SECURE). It must pass a store, and set options by wxtoken_set.
 *
 *     wxtoken *wx = NULL;
 *     if (wxtoken_init("/var/lib/wx/tokens.db", &wx, &err) != WXTOKEN_OK)
 *         fprintf(stderr, "%s\n", err.message);
 */
wxtoken_status wxtoken_init(const char *store, wxtoken **out, wxtoken_error *err);

/**
 * Sets an option of this handle. An option that is not set has the value that its environment variable had at
 * wxtoken_init. The variable of timeout_ms is $WXTOKEN_TIMEOUT_MS, and so on. Without a variable, the default of this
 * table holds:
 *
 *     option               default                         range          what it is
 *     api_base_url         https://api.weixin.qq.com       a URL          official accounts, mini programs
 *     work_base_url        https://qyapi.weixin.qq.com     a URL          WeCom
 *     qq_base_url          https://api.q.qq.com            a URL          QQ mini programs
 *     douyin_base_url      https://developer.toutiao.com   a URL          Douyin mini programs, the old endpoint
 *     dingtalk_base_url    https://api.dingtalk.com        a URL          DingTalk
 *     feishu_base_url      https://open.feishu.cn          a URL          Feishu
 *     qqbot_base_url       https://bots.qq.com             a URL          QQ bots
 *     douyin_open_base_url https://open.douyin.com         a URL          Douyin's open platform
 *     douyin_game_base_url https://minigame.zijieapi.com   a URL          Douyin mini games
 *     lark_base_url        https://open.larksuite.com      a URL          Lark
 *     xiaohongshu_base_url https://miniapp.xiaohongshu.com a URL          Xiaohongshu mini programs
 *     baidu_base_url       https://openapi.baidu.com       a URL          Baidu smart programs
 *     qidian_base_url      https://api.qidian.qq.com       a URL          QiDian
 *     timeout_ms           8000                            1 to 600000 ms the longest a call waits; saving may add 2 s
 *     connect_timeout_ms   3000                            1 to 600000 ms for DNS, again for connect and TLS together
 *     refresh_ahead_s      270                             0 to 3600 s    how early to refresh; 1/10 of a life at most
 *     background_refresh   0                               0 or 1         1: a thread refreshes ahead; no caller waits
 *     revalidate_ms        200                             0 to 60000 ms  how soon another process's change is seen
 *     proxy                none                            a URL          http:// or socks5h://[user:pass@]host:port
 *     ip_version           any                             any, 4 or 6    which addresses of a host's name are used
 *     allow_plain_http     0                               0 or 1         1: a private address may be plain http
 *     ca_file              none                            a path         extra PEM certificates to trust
 *     key_file             <store>.key                     a path         the key that seals the secrets
 *     server_key           none                            a client key   this program's key at a wxtoken server
 *     server_key_file      none                            a path         the file of that key
 *     log                  off                             a level        off, error, info or debug; to stderr
 *
 * A base URL is https. Plain http is accepted for a loopback address. It is accepted for a private address too, if
 * allow_plain_http was set to 1 before. An empty URL or path stands for the built-in default. Only the option sets a
 * proxy: the library does not read $https_proxy and its like. A store on a server has a revalidate_ms of 1000.
 *
 * @param option  A name from the first column.
 * @param value   The value, as a string.
 * @retval WXTOKEN_OK          The next call on this handle uses the value.
 * @retval WXTOKEN_E_ARGUMENT  The option is unknown, or its range lacks the value; nothing was changed.
 *
 *     if (wxtoken_set(wx, "timeout_ms", "3000", &err) != WXTOKEN_OK)
 *         fprintf(stderr, "%s\n", err.message);
 */
wxtoken_status wxtoken_set(wxtoken *wx, const char *option, const char *value, wxtoken_error *err);

/**
 * Registers an account in the store, or changes it. Repeating a registration is cheap, so a program may do it at each
 * start. A reader may not: it calls wxtoken_get alone. A change takes effect in every process. The first account of a
 * store becomes the current one, which a NULL name means.
 *
 *     kind              id                put                    what it is
 *     official          appid                                    service and subscription accounts, mini programs
 *     official_classic  appid                                    like official, but each fetch ends the previous token
 *     work              corpid                                   an app of a WeCom corporation
 *     component         component_appid   verify_ticket          a third-party platform
 *     authorizer        authorizer_appid  parent, refresh_token  an account that authorized a component; no secret
 *     suite             suite_id          suite_ticket           a WeCom third-party app
 *     work_authorized   auth_corpid       parent                 a corporation that has installed a suite
 *     provider          corpid                                   a WeCom service provider
 *     qq                appid                                    a QQ mini program
 *     qqbot             appId                                    a QQ bot
 *     douyin            appid                                    a Douyin mini program; prefer douyin_stable
 *     douyin_stable     client_key                               a Douyin mini program or app
 *     douyin_game       appid                                    a Douyin mini game
 *     dingtalk          appKey                                   an internal app of DingTalk
 *     dingtalk_suite    suiteKey          suite_ticket           a third-party app of DingTalk
 *     feishu            app_id                                   a custom app of Feishu
 *     feishu_store      app_id            app_ticket             a store app of Feishu
 *     feishu_tenant     tenant_key        parent                 a tenant of a store app; no secret
 *     lark              app_id                                   a custom app of Lark, which is Feishu overseas
 *     xiaohongshu       appid                                    a Xiaohongshu mini program
 *     baidu             client_id                                a Baidu smart program
 *     qidian            appid                                    an account of QiDian
 *
 * The column put names what wxtoken_put must set before the first get. docs/credentials.md describes each kind.
 * "official" uses the stable endpoint, "official_classic" the classic one. Prefer the stable endpoint: a token of the
 * classic one ends whenever any program fetches the next.
 *
 * Two names with the same kind, id and parent share a token, and a new secret keeps the token. Only each secret of a
 * "work" or "work_authorized" has a token of its own. The command `wxtoken account remove` removes an account.
 *
 * The first change after a failure ends the back-off at once. After each further change, the next request comes a
 * minute after the last failure.
 *
 * On a wxtoken server, and in a store that a bridge fills, this call neither sends nor stores a secret. It succeeds if
 * the account is there with this kind and id.
 *
 * @param account  A name of your choice: 1 to WXTOKEN_NAME_MAX bytes of UTF-8, without '/' and control characters.
 * @param kind     A name from the first column.
 * @param id       The id that the second column names: 1 to 128 printable ASCII characters without spaces.
 * @param secret   The secret of the id: 1 to 512 printable ASCII characters without spaces. A "work_authorized" passes
 *                 its permanent_code. An "authorizer" or "feishu_tenant" passes NULL. The store seals it.
 * @retval WXTOKEN_OK          The account is in the store.
 * @retval WXTOKEN_E_ARGUMENT  The name, kind, id or secret is unusable, or the server has the name with another kind
 *                             or id.
 * @retval WXTOKEN_E_ACCOUNT   The store is a server, and it does not have the account.
 * @retval WXTOKEN_E_STORE     The store cannot be written, or another user may have made it or may change it.
 * @retval WXTOKEN_E_SECRET    The key file cannot be read, or another user may have made it or may change it.
 * @retval WXTOKEN_E_TIMEOUT   Another process held the store for timeout_ms.
 *
 *     wxtoken_register(wx, "shop", "official", "wx0123456789abcdef", secret, &err);
 */
wxtoken_status wxtoken_register(wxtoken *wx,
                                const char *account,
                                const char *kind,
                                const char *id,
                                const char *secret,
                                wxtoken_error *err);

/**
 * Sets a field of an account that becomes known after the registration. The store keeps it.
 *
 *     field           of the kinds                 value
 *     current         every kind                   NULL or "1": makes this account the one that NULL names
 *     retry           every kind                   NULL or "1": ends the account's back-off after a failure
 *     parent          authorizer, work_authorized  the name of the component's account, or of the suite's
 *                     feishu_tenant                the name of the store app's account
 *     verify_ticket   component                    pushed every 10 minutes, good for 12 hours
 *     suite_ticket    suite                        pushed every 10 minutes, good for 30 minutes
 *                     dingtalk_suite               pushed about every 5 hours
 *     app_ticket      feishu_store                 pushed every hour
 *     refresh_token   authorizer                   from the authorization; put the parent first
 *
 * After a failure, all processes wait until retry_after_ms has passed. Once the cause is mended, put retry. It ends
 * the wait for all tokens and tickets of the account. It does so once a minute: a retry that comes sooner changes
 * nothing. The answer is then WXTOKEN_E_ARGUMENT, and err->retry_after_ms is the time left.
 *
 * The store seals a ticket or refresh token like a secret. A platform may send a new refresh token along with an
 * access token. The store saves both in one transaction. Putting the old refresh token again then changes nothing.
 *
 * @param account  The name of the account.
 * @param field    A name from the first column.
 * @param value    The value of the field. A ticket or refresh token has the characters of a secret.
 * @retval WXTOKEN_OK          The store has the value, or a newer refresh token.
 * @retval WXTOKEN_E_ARGUMENT  The kind does not have this field, the value or the parent's kind is wrong, or a retry
 *                             comes too soon.
 * @retval WXTOKEN_E_ACCOUNT   The account or the parent is not in the store.
 * @retval WXTOKEN_E_STORE     The store cannot be written, or another user may have made it or may change it.
 * @retval WXTOKEN_E_SECRET    The key file cannot be read, or another user may have made it or may change it.
 * @retval WXTOKEN_E_TIMEOUT   Another process held the store for timeout_ms.
 *
 *     wxtoken_put(wx, "platform", "verify_ticket", ticket, &err);
 */
wxtoken_status wxtoken_put(wxtoken *wx, const char *account, const char *field, const char *value, wxtoken_error *err);

/**
 * Gives a token that is valid now. Call it for each use of a token, and do not keep the token.
 *
 * The call copies a token that this process knows to be fresh. Every revalidate_ms it looks into the store first. It
 * fetches a token only when no process has a fresh one, so a store makes one request per expiry. While the platform
 * cannot be reached, the call gives a token that is still valid.
 *
 * A name is an account, or account/credential, such as "shop/jsapi_ticket":
 *
 *     credential      of the kinds
 *     jsapi_ticket    official, official_classic, work, authorizer, work_authorized, douyin_stable, dingtalk, feishu,
 *                     feishu_tenant, lark, qidian
 *     card_ticket     official, official_classic, work, authorizer, work_authorized, qidian
 *     sdk_ticket      official, official_classic, authorizer
 *     agent_ticket    work, work_authorized
 *     open_ticket     douyin_stable
 *     app_token       feishu, lark
 *
 * A ticket is fetched with the account's token, and an authorizer's token with its component's. The call fetches those
 * first if it must, within the same timeout_ms. The error names the fetch that failed.
 *
 * Five names give a secret instead. account/refresh_token, account/verify_ticket, account/suite_ticket and
 * account/app_ticket give what wxtoken_put has set. account/refresh_token_before gives the last refresh token that was
 * replaced. Only a process that can read the key file gets them, or a client of a server that may get and put.
 *
 * @param name  An account or account/credential. NULL is the current account.
 * @param out   Receives the token. A failure leaves it as it was.
 * @retval WXTOKEN_OK          The token is in *out.
 * @retval WXTOKEN_E_ARGUMENT  The name is malformed, or the kind does not have this credential.
 * @retval WXTOKEN_E_ACCOUNT   The account is not in the store, or its parent is missing.
 * @retval WXTOKEN_E_STORE     The store cannot be read, or it cannot be written and this fetch must be saved.
 * @retval WXTOKEN_E_SECRET    The key file cannot be read, or a ticket or refresh token was never put.
 * @retval WXTOKEN_E_NETWORK   The platform was not reached.
 * @retval WXTOKEN_E_REPLY     A host answered, but not with a valid token response.
 * @retval WXTOKEN_E_API       The platform refused: err->errcode and err->message say why.
 * @retval WXTOKEN_E_TIMEOUT   The timeout_ms passed, in a fetch or in waiting for another process.
 *
 * The store notes a failed fetch. For err->retry_after_ms no process makes a request. A call that finds no valid token
 * then gets the same failure at once. A timeout is shared only with calls whose timeout_ms is not longer.
 *
 *     wxtoken_token token;
 *     if (wxtoken_get(wx, "shop", &token, &err) == WXTOKEN_OK)
 *         call_api(token.value);
 *     else
 *         fprintf(stderr, "%s\n", err.message);
 */
wxtoken_status wxtoken_get(wxtoken *wx, const char *name, wxtoken_token *out, wxtoken_error *err);

/**
 * Gives a token that this process knows to be valid, and never waits. It takes no lock, and touches no file and no
 * network. It is for event loops: when it gives no token, call wxtoken_get on another thread.
 *
 * A look at the store is due once in revalidate_ms, and after a change of an account. This call then gives no token
 * until a wxtoken_get has begun that look. If revalidate_ms is 0, it gives none. It never gives a secret.
 *
 * @param name  An account or account/credential, as for wxtoken_get.
 * @param out   Receives the token. A failure leaves it as it was.
 * @retval WXTOKEN_OK          The token is in *out.
 * @retval WXTOKEN_E_ARGUMENT  A NULL is passed as wx or out, or the name is longer than 4096 bytes.
 * @retval WXTOKEN_E_TIMEOUT   No token is known now: call wxtoken_get, which may wait, and says why if it fails.
 *
 *     if (wxtoken_known(wx, "shop", &token, NULL) == WXTOKEN_OK)
 *         call_api(token.value);
 */
wxtoken_status wxtoken_known(wxtoken *wx, const char *name, wxtoken_token *out, wxtoken_error *err);

/**
 * Reports that the API refused a token with errcode 40001, 40014 or 42001. Then get a token, and repeat the business
 * call once. WeCom's suites also have 40082 and 42009, and other platforms have codes of their own. Do not reject for
 * another errcode, such as 48001 (no permission).
 *
 * Nothing happens if the store has another token by now. Otherwise the next wxtoken_get asks the platform whether it
 * takes the token. A token that the platform takes is served again. A token that it refuses is replaced in that get.
 * A ticket is replaced without such a check, and so is a token of a kind that has none. Rejects cause at most one
 * check or replacement per 30 seconds and credential. In between, a get serves the same token again.
 *
 * @param name   An account or account/credential, as for wxtoken_get.
 * @param token  The token that was refused: 1 to WXTOKEN_TOKEN_SIZE - 1 bytes.
 * @retval WXTOKEN_OK          The rejection is noted, or the store has another token.
 * @retval WXTOKEN_E_ARGUMENT  The name or the token is malformed, or the kind does not have this credential.
 * @retval WXTOKEN_E_ACCOUNT   The account is not in the store.
 * @retval WXTOKEN_E_STORE     This process can only read the store, and no keeper took the rejection.
 * @retval WXTOKEN_E_TIMEOUT   Another process held the store for timeout_ms.
 *
 *     int errcode = call_api(token.value);
 *     if (errcode == 40001 || errcode == 40014 || errcode == 42001) {
 *         wxtoken_reject(wx, "shop", token.value, NULL);
 *         if (wxtoken_get(wx, "shop", &token, &err) == WXTOKEN_OK)
 *             errcode = call_api(token.value);
 *     }
 */
wxtoken_status wxtoken_reject(wxtoken *wx, const char *name, const char *token, wxtoken_error *err);

/**
 * Writes a report on every account and token, as JSON. It has the kind, the id and the secret's fingerprint of each
 * account. It says of each token when it was fetched and by which process, when it is refreshed and when it ends. It
 * has counts, the last error and the time of the next try. It holds no secret and no token. See docs/store.md.
 *
 * @param buf     Receives the report, NUL-terminated. It may be NULL with a cap of 0, to learn the size.
 * @param cap     Bytes of buf.
 * @param needed  Receives the size of the report with its NUL, even if cap is too small. It may be NULL.
 * @retval WXTOKEN_OK          The report is in buf.
 * @retval WXTOKEN_E_ARGUMENT  The cap is too small: *needed is set, and buf is as it was.
 * @retval WXTOKEN_E_STORE     The store cannot be read.
 * @retval WXTOKEN_E_TIMEOUT   Another process held the store for timeout_ms.
 *
 *     size_t needed = 0;
 *     wxtoken_report(wx, NULL, 0, &needed, NULL);
 *     char *report = malloc(needed);
 *     if (report != NULL && wxtoken_report(wx, report, needed, &needed, &err) == WXTOKEN_OK)
 *         puts(report);
 *     free(report);
 */
wxtoken_status wxtoken_report(wxtoken *wx, char *buf, size_t cap, size_t *needed, wxtoken_error *err);

/**
 * Frees a handle; NULL is a no-op. The call waits up to timeout_ms for a background refresh of this handle. The store
 * stays, and so does what the process knows of it.
 *
 * @param wx  The handle. No other call may use it during this call, or later.
 */
void wxtoken_free(wxtoken *wx);

/**
 * Returns the version of the library at run time, such as "0.1.0", in static memory. The version of the header is
 * WXTOKEN_VERSION. To compare the two, read three numbers with sscanf and "%d.%d.%d".
 */
const char *wxtoken_version(void);

/**
 * Returns the name of a status, such as "WXTOKEN_E_STORE", or "unknown status", in static memory.
 *
 * @param status  A wxtoken_status, or any other number.
 */
const char *wxtoken_status_name(int32_t status);

#ifdef __cplusplus
} /* extern "C" */
#endif /* __cplusplus */

#endif  /* WXTOKEN_H */
