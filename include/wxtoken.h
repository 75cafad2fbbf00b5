/* libwxtoken: WeChat access tokens and tickets for every process and language of a host.
 *
 * A program registers an account once, and asks for its token at each use. All processes share one store, an SQLite
 * file. One process fetches a token for all of them, once per expiry, and refreshes it before its end. The others read
 * it in the store, or in their memory. No daemon is needed. Secrets are sealed in the store.
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
 *   Documents   This header is the manual of the C API. README.md introduces the library, docs/credentials.md each kind
 *               of account, docs/deploy.md a host with a keeper, docs/scale-out.md many hosts, and docs/caveats.md what
 *               rarely happens.
 *
 * CAVEATS
 *   Fork        Any thread may fork() at any time, and both sides may go on using their handles. A child of raw clone()
 *               cannot, for it runs no pthread_atfork handlers.
 *               Fix: use fork() or posix_spawn(), and not in a signal handler.
 *               A handler that the host gave to pthread_atfork may call any function.
 *   Descriptors A host that closes the library's descriptors, as closefrom() does, loses nothing: a call opens its files
 *               again. A thread that puts another file under such a number may do so within a call's own write.
 *               Fix: close no descriptor that you did not open.
 *   Network     Locks do not reach across hosts. A store on NFS or SMB, or shared between virtual machines, can break.
 *               Fix: keep the store on a local disk, one for each host.
 *   SQLite      A process that uses the library must not open the store file by other means, such as its own SQLite.
 *               That one's locks are lost whenever the library closes a descriptor of the file. Two copies of this
 *               library may share a store.
 *               Fix: call wxtoken_report, or look with the sqlite3 tool from another process.
 *   Lock        Two processes may fetch at once after somebody has deleted <store>.lock.
 *               Fix: leave that file alone while a process uses the store. It stays empty.
 *
 * RULES OF THE WHOLE API
 *   Strings     A parameter is NUL-terminated UTF-8. It is copied before the call returns. NULL is WXTOKEN_E_ARGUMENT
 *               where nothing else is said.
 *   Memory      Every struct and buffer is the caller's. Only a handle is the library's: wxtoken_free ends it.
 *   Outputs     A call writes them on success only; it writes *err on failure only. Only *needed of
 *               wxtoken_report is also set when cap is too small.
 *   Threads     Any thread may call any function, with the same handle too. No other call may use a handle while
 *               wxtoken_free ends it. Do not pthread_cancel or longjmp out of a call.
 *   Stack       A thread that calls needs 96 KiB of stack, and a coroutine too. A hit takes 8 KiB of it, a fetch 48, a
 *               fetch by TLS 72.
 *   Host        No function exits, installs a signal handler or writes to stdout. When memory ends, a call fails, or the
 *               process aborts as Rust programs do. A thread outlives its call in two cases: a background refresh, where
 *               that is set, and a look-up of a host name that is not answered in time.
 *   Status      Any call may return WXTOKEN_E_INTERNAL. Treat a status that you do not know as a failure;
 *               wxtoken_status_name gives its name.
 *   ABI         The SONAME is libwxtoken.so.0. While it stays, no function, layout or number changes: a newer version
 *               only adds functions, options, kinds and statuses.
 *
 * WHICH CALLS WAIT
 *   wxtoken_get                   for a fetch: up to timeout_ms, and 2 s more to save the token; a known token: never
 *   wxtoken_reject                for the store: up to timeout_ms; in a reader for the keeper: up to 2 s
 *   wxtoken_init, wxtoken_register, wxtoken_put, wxtoken_report
 *                                 for the store: up to timeout_ms
 *   wxtoken_free                  for a background refresh of this handle: up to timeout_ms
 *   wxtoken_known, wxtoken_set, wxtoken_version, wxtoken_status_name
 *                                 never
 *
 * cbindgen makes this file of src/ffi: `make header` rewrites it.
 */

#ifndef WXTOKEN_H
#define WXTOKEN_H

#include <stddef.h>
#include <stdint.h>

#define WXTOKEN_VERSION "0.1.0"
#define WXTOKEN_VERSION_MAJOR 0
#define WXTOKEN_VERSION_MINOR 1
#define WXTOKEN_VERSION_PATCH 0
/* One number to compare in #if: 1002003 for version 1.2.3. */
#define WXTOKEN_VERSION_NUMBER (WXTOKEN_VERSION_MAJOR * 1000000 + WXTOKEN_VERSION_MINOR * 1000 + WXTOKEN_VERSION_PATCH)

/** Sizes in bytes. */
enum {
    /** The longest name of an account, without the NUL. */
    WXTOKEN_NAME_MAX = 128,
    /** wxtoken_error.message, with the NUL. */
    WXTOKEN_MESSAGE_SIZE = 496,
    /** wxtoken_token.value, with the NUL. */
    WXTOKEN_TOKEN_SIZE = 1024,
};

/** The outcome of a call. A newer library may add one: treat a status that you do not know as a failure. */
typedef enum wxtoken_status {
    /** Done. */
    WXTOKEN_OK = 0,
    /** An argument, option or environment variable is unusable; nothing was changed. */
    WXTOKEN_E_ARGUMENT = 1,
    /** There is no such account in this store, or its parent is missing. */
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
    WXTOKEN_E_INTERNAL = 9,
} wxtoken_status;

/**
 * One open store, with options of its own: wxtoken_init makes it, and wxtoken_free ends it. Any thread may use it,
 * several at once. After a fork() both sides may go on using it, and each frees its own copy.
 */
typedef struct wxtoken wxtoken;

/** The reason of a failure: 512 bytes of the caller's, written on failure only. NULL may be passed instead. */
typedef struct wxtoken_error {
    /** The status that the call returned. */
    wxtoken_status status;
    /** The platform's errcode with WXTOKEN_E_API, else 0. It is 0 too for DingTalk, whose codes are words. */
    int32_t errcode;
    /** 0: no time is known. Else wait so many milliseconds: no process makes a request until then. */
    int64_t retry_after_ms;
    /**
     * For people: "what failed: its cause; hint: What to do." in NUL-terminated UTF-8. What is too long is cut from the
     * cause first, and from the hint last. It never holds a secret or a token.
     */
    char message[496];
} wxtoken_error;

/** A token, in the caller's memory. Written on success only. */
typedef struct wxtoken_token {
    /** When it ends, in Unix seconds; 0 where no end is known. A platform may revoke it earlier: see wxtoken_reject. */
    int64_t expires_at;
    /** Bytes in `value`, without the NUL. */
    size_t length;
    /** NUL-terminated; only the first `length` + 1 bytes are written. */
    char value[1024];
} wxtoken_token;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Opens a store, and creates it when it is absent. All handles on one store share what the process knows, so that a
 * program may open and free as often as it likes.
 *
 * @param store  Path of the SQLite file, at most 4096 bytes. Its directory must exist, on a local disk. Or, for many
 *               hosts, a server of Redis: redis://[USER:PASSWORD@]HOST[:6379][/DB][?prefix=wxtoken], rediss:// for TLS,
 *               redis+unix:///PATH, redis+sentinel://HOST1,HOST2/MASTER, redis+cluster://HOST1,HOST2.
 *               $WXTOKEN_STORE_PASSWORD_FILE may name a file with the password. Or a wxtoken server:
 *               https://HOST[:PORT], unix:/PATH, http:// to loopback; its key is the option server_key. NULL is $WXTOKEN_STORE, else $XDG_STATE_HOME/wxtoken/tokens.db, else
 *               ~/.local/state/wxtoken/tokens.db.
 * @param out    Receives the handle. Free it with wxtoken_free.
 * @param err    Receives the reason of a failure. May be NULL, here and in every function.
 * @return WXTOKEN_OK
 *         WXTOKEN_E_ARGUMENT  store or an environment variable is unusable
 *         WXTOKEN_E_STORE     cannot be opened or created, or belongs to another program or a newer version
 *         WXTOKEN_E_TIMEOUT   another process held the store for timeout_ms
 *
 * The environment is read here and nowhere else: $WXTOKEN_STORE, and $WXTOKEN_<OPTION> for each option of wxtoken_set.
 * A program that runs with rights that its caller lacks (set-user-ID, set-group-ID, capabilities: AT_SECURE) reads none
 * of it, as secure_getenv has it. There store must be a path, and options are set by wxtoken_set alone.
 *
 *     wxtoken *wx = NULL;
 *     if (wxtoken_init("/var/lib/wx/tokens.db", &wx, &err) != WXTOKEN_OK) fputs(err.message, stderr);
 */
wxtoken_status wxtoken_init(const char *store,
                            wxtoken **out,
                            wxtoken_error *err);

/**
 * Sets an option of this handle. Its default is $WXTOKEN_<OPTION>, in capitals, as it was at wxtoken_init, else:
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
 *     background_refresh   0                               0 or 1         1: a thread refreshes ahead; nobody waits
 *     revalidate_ms        200                             0 to 60000 ms  how soon another process's change is seen
 *     proxy                none                            a URL          http:// or socks5h://[user:pass@]host:port
 *     ip_version           any                             any, 4 or 6    which addresses of a host's name are used
 *     allow_plain_http     0                               0 or 1         with 1 a private address may be plain http
 *     ca_file              none                            a path         PEM certificates to trust beside the web PKI
 *     key_file             <store>.key                     a path         the key that seals the secrets
 *     server_key           none                            a client key   this program's key at a wxtoken server
 *     server_key_file      none                            a path         the file of that key
 *     log                  off                             a level        off, error, info or debug; to stderr
 *
 * A base URL is https, or plain http to a loopback address; with allow_plain_http, set before it, also to a private one. An
 * empty URL or path is the built-in default. The library does not read $https_proxy and its like: only the option sets a
 * proxy.
 *
 * @param option  A name from the first column.
 * @param value   Its value, as a string.
 * @return WXTOKEN_OK
 *         WXTOKEN_E_ARGUMENT  unknown option or bad value; nothing was changed
 *
 *     wxtoken_set(wx, "timeout_ms", "3000", NULL);
 */
wxtoken_status wxtoken_set(wxtoken *wx,
                           const char *option,
                           const char *value,
                           wxtoken_error *err);

/**
 * Registers an account, or updates it. The account stays in the store. Repeating the call is cheap when nothing has
 * changed. A change takes effect in every process. The first change after a failure ends the back-off. While changes
 * follow each other, a refused credential is tried once a minute. The first account of a store becomes the current one.
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
 * "official" uses the stable endpoint, "official_classic" the classic one.
 *
 * On a wxtoken server, and in a store that a bridge fills, this call sends and stores no secret. It succeeds where the account
 * is there already with this kind and id.
 *
 * @param account  A name of your choosing: 1 to WXTOKEN_NAME_MAX bytes of UTF-8, no '/', no control character.
 * @param kind     A name from the first column.
 * @param id       What the second column names: 1 to 128 printable ASCII characters.
 * @param secret   Its secret: 1 to 512 printable ASCII characters. The secret of a "work_authorized" is its
 *                 permanent_code, and that of an "authorizer" is NULL. It is sealed in the store.
 * @return WXTOKEN_OK
 *         WXTOKEN_E_ARGUMENT  the name, kind, id or secret is unusable, or the account is another one on the server
 *         WXTOKEN_E_ACCOUNT   the store is a server, which does not have the account
 *         WXTOKEN_E_STORE     the store cannot be written, or a stranger may have made it or may change it
 *         WXTOKEN_E_SECRET    the key file cannot be read, or a stranger may have made it or may change it
 *         WXTOKEN_E_TIMEOUT   another process held the store for timeout_ms
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
 * Sets a field that becomes known after the registration. It stays in the store.
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
 * After a failure every process waits until retry_after_ms has passed. Put retry once the cause is mended. It ends the
 * wait for all tokens and tickets of the account, at most once a minute. A put that comes sooner changes nothing. It
 * answers WXTOKEN_E_ARGUMENT and the time that is left, in retry_after_ms.
 *
 * A ticket or refresh token is sealed like a secret. A platform may send another refresh token with an access token.
 * Both are then saved in one transaction. Putting the old refresh token again changes nothing after that.
 *
 * @param account  Its name.
 * @param field    A name from the first column.
 * @param value    Its value. A ticket or refresh token has 1 to 512 printable ASCII characters.
 * @return WXTOKEN_OK
 *         WXTOKEN_E_ARGUMENT  the kind does not have this field, the value or the parent's kind is wrong, or a retry
 *                             comes too soon
 *         WXTOKEN_E_ACCOUNT   there is no such account or parent
 *         WXTOKEN_E_STORE     the store cannot be written, or a stranger may have made it or may change it
 *         WXTOKEN_E_SECRET    the key file cannot be read, or a stranger may have made it or may change it
 *         WXTOKEN_E_TIMEOUT   another process held the store for timeout_ms
 *
 *     wxtoken_put(wx, "platform", "verify_ticket", ticket, &err);
 */
wxtoken_status wxtoken_put(wxtoken *wx, const char *account, const char *field, const char *value, wxtoken_error *err);

/**
 * Gives a token that is valid now. Call it for each use, and do not keep the token.
 *
 * The call copies a token that this process knows to be fresh, and looks into the store every revalidate_ms. All
 * processes on a store together make one request per expiry. While the platform cannot be reached, a token that is
 * still valid is served.
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
 * on the way, within the same timeout_ms. An error names the link that failed.
 *
 * Five names return a secret: account/refresh_token, account/verify_ticket, account/suite_ticket and account/app_ticket
 * give what was put. account/refresh_token_before gives the refresh token that was replaced last. Only a process that can read the key file
 * gets them. An expires_at of 0 says that no end is known.
 *
 * @param name  An account or account/credential. NULL is the current account.
 * @param out   Receives the token. A failure leaves it as it was.
 * @return WXTOKEN_OK
 *         WXTOKEN_E_ARGUMENT  the name is malformed, or the kind does not have this credential
 *         WXTOKEN_E_ACCOUNT   there is no such account, or its parent is missing
 *         WXTOKEN_E_STORE     the store cannot be read, or not written and the fetch may not do without
 *         WXTOKEN_E_SECRET    the key file cannot be read, or a ticket or refresh token was never put
 *         WXTOKEN_E_NETWORK   the platform was not reached
 *         WXTOKEN_E_REPLY     a host answered, but not with a valid token response
 *         WXTOKEN_E_API       the platform refused: err->errcode and err->message say why
 *         WXTOKEN_E_TIMEOUT   timeout_ms passed, in a fetch or in waiting for another process
 *
 * A failed fetch is noted in the store. For err->retry_after_ms no process makes a request, and a call that finds no
 * valid token gets the same failure at once. A timeout is shared only with calls whose timeout_ms is not longer.
 *
 *     wxtoken_token token;
 *     if (wxtoken_get(wx, "shop", &token, &err) == WXTOKEN_OK) use(token.value, token.length);
 */
wxtoken_status wxtoken_get(wxtoken *wx,
                           const char *name,
                           wxtoken_token *out,
                           wxtoken_error *err);

/**
 * Gives a token that this process knows, and never waits. It takes no lock, and touches no file and no network. An event
 * loop calls it, and where it gives none, calls wxtoken_get on another thread.
 *
 * Once in revalidate_ms a look at the store is due. No token is known then, until a wxtoken_get has begun to look. A secret
 * is never known.
 *
 * @param name  As for wxtoken_get.
 * @param out   Receives the token. A failure leaves it as it was.
 * @return WXTOKEN_OK
 *         WXTOKEN_E_ARGUMENT  wx or out is NULL, or the name is longer than 4096 bytes
 *         WXTOKEN_E_TIMEOUT   none is known now: wxtoken_get may have to wait, and says what there is to say
 *
 *     if (wxtoken_known(wx, "shop", &token, NULL) == WXTOKEN_OK) use(token.value, token.length);
 */
wxtoken_status wxtoken_known(wxtoken *wx,
                             const char *name,
                             wxtoken_token *out,
                             wxtoken_error *err);

/**
 * Says that the API refused a token: the answer to a business call was errcode 40001, 40014 or 42001. Nothing happens if
 * the stored token is a different one by now. Otherwise the next wxtoken_get asks the platform whether it takes the token.
 * A token that the platform takes is served again. A token that it refuses is replaced in that get. Kinds without such a
 * check are replaced at once. Rejects cause at most one check per 30 seconds and credential.
 *
 * @param name   An account or account/credential, as for wxtoken_get.
 * @param token  The token that was refused: 1 to WXTOKEN_TOKEN_SIZE - 1 bytes.
 * @return WXTOKEN_OK
 *         WXTOKEN_E_ARGUMENT  the name or the token is malformed
 *         WXTOKEN_E_ACCOUNT   there is no such account
 *         WXTOKEN_E_STORE     this process can only read the store, and no keeper took the rejection
 *         WXTOKEN_E_TIMEOUT   another process held the store for timeout_ms
 *
 *     if (errcode == 40001) wxtoken_reject(wx, "shop", token.value, &err);
 */
wxtoken_status wxtoken_reject(wxtoken *wx,
                              const char *name,
                              const char *token,
                              wxtoken_error *err);

/**
 * Writes a report on every account and token as JSON. It says kind, id and the secret's fingerprint, when and by whom a
 * token was fetched, when it is refreshed and ends, counts, the last error, and the next try. It holds no secret and no
 * token.
 *
 * @param buf     Where to write it, NUL-terminated. May be NULL with a cap of 0, to learn the size.
 * @param cap     Bytes there.
 * @param needed  Receives the bytes that it takes, with the NUL, even when cap is too small. May be NULL.
 * @return WXTOKEN_OK
 *         WXTOKEN_E_ARGUMENT  cap is too small: *needed is set, and buf is as it was
 *         WXTOKEN_E_STORE     the store cannot be read
 *         WXTOKEN_E_TIMEOUT   another process held the store for timeout_ms
 *
 *     size_t needed = 0;
 *     wxtoken_report(wx, NULL, 0, &needed, NULL);
 *     char *report = malloc(needed);
 *     if (wxtoken_report(wx, report, needed, &needed, &err) == WXTOKEN_OK) puts(report);
 *     free(report);
 */
wxtoken_status wxtoken_report(wxtoken *wx, char *buf, size_t cap, size_t *needed, wxtoken_error *err);

/**
 * Ends a handle; NULL is a no-op. It waits up to timeout_ms for a background refresh of this handle. The store, and what
 * the process knows of it, stay.
 */
void wxtoken_free(wxtoken *wx);

/** The version of the library at run time, such as "0.1.0". The header's is WXTOKEN_VERSION. Static memory. */
const char *wxtoken_version(void);

/** The name of a status, such as "WXTOKEN_E_STORE", or "unknown status". Static memory. */
const char *wxtoken_status_name(int32_t status);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* WXTOKEN_H */
