//! The C boundary. Each export checks its parameters, calls [`Client`] and converts the result.
//!
//! The doc comments of the exports and types are the C manual: cbindgen writes them into `include/wxtoken.h`.

// The header states the contract of all pointers once.
#![allow(clippy::missing_safety_doc)]

mod guard;
mod message;
mod text;
mod types;

use std::ffi::c_char;

pub use types::{
    MESSAGE_SIZE, NAME_MAX, TOKEN_SIZE, wxtoken, wxtoken_error, wxtoken_status, wxtoken_token,
};

use crate::client::Client;
use crate::error::{Error, Result, Status};
use crate::process::cache::CachedToken;
use crate::sys::away_from_fork;
use text::{bytes, optional, required, utf8};

/// Opens a store, and creates it if it is absent. All handles of a process on one store share what the process knows. A
/// program may therefore open and free handles as often as it likes.
///
///     store                                        what it is
///     PATH                                         an SQLite file on a local disk; its directory must exist
///     redis://[USER:PASSWORD@]HOST[:PORT][/DB]     a server of Redis or Valkey, for many hosts
///     rediss://[USER:PASSWORD@]HOST[:PORT][/DB]    such a server, by TLS
///     redis+unix:///PATH                           such a server, by its Unix socket
///     redis+sentinel://HOST1,HOST2/MASTER          the master that these sentinels name
///     redis+cluster://HOST1,HOST2                  a cluster, found by some of its nodes
///     https://HOST[:PORT]                          a wxtoken server; see the option server_key
///     unix:/PATH                                   a wxtoken server, by its Unix socket
///     http://HOST[:PORT]                           a wxtoken server on a loopback address
///
/// A URL of Redis may end in ?prefix=NAME, where the default is wxtoken. $WXTOKEN_STORE_PASSWORD_FILE may name a file
/// that holds the password. docs/scale-out.md describes the choice between these stores.
///
/// @param store  A store of the table, at most 4096 bytes. A later chdir() does not move a relative path. NULL is
///               $WXTOKEN_STORE, else $XDG_STATE_HOME/wxtoken/tokens.db, else ~/.local/state/wxtoken/tokens.db.
/// @param out    Receives the handle. Free it with wxtoken_free.
/// @param err    Receives the reason of a failure. It may be NULL, here and in every function.
/// @retval WXTOKEN_OK          The handle is in *out.
/// @retval WXTOKEN_E_ARGUMENT  The store or an environment variable is unusable.
/// @retval WXTOKEN_E_STORE     The store cannot be opened or created, or belongs to another program or a newer version.
/// @retval WXTOKEN_E_TIMEOUT   Another process held the store for timeout_ms.
///
/// Only this function reads the environment: $WXTOKEN_STORE, and a variable for each option of wxtoken_set. A program
/// with rights that its caller lacks reads none of it, as with secure_getenv. Such a program is set-user-ID or
/// set-group-ID, or has capabilities (AT_SECURE). It must pass a store, and set options by wxtoken_set.
///
///     wxtoken *wx = NULL;
///     if (wxtoken_init("/var/lib/wx/tokens.db", &wx, &err) != WXTOKEN_OK)
///         fprintf(stderr, "%s\n", err.message);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wxtoken_init(
    store: *const c_char,
    out: *mut *mut wxtoken,
    err: *mut wxtoken_error,
) -> wxtoken_status {
    // SAFETY: the header's contract on pointers.
    unsafe {
        guard::call(err, || {
            require_out(out)?;
            let client = Client::open(optional(store, "store")?)?;
            out.write(Box::into_raw(Box::new(wxtoken { client })));
            Ok(())
        })
    }
}

/// Sets an option of this handle. An option that is not set has the value that its environment variable had at
/// wxtoken_init. The variable of timeout_ms is $WXTOKEN_TIMEOUT_MS, and so on. Without a variable, the default of this
/// table holds:
///
///     option               default                         range          what it is
///     api_base_url         https://api.weixin.qq.com       a URL          official accounts, mini programs
///     work_base_url        https://qyapi.weixin.qq.com     a URL          WeCom
///     qq_base_url          https://api.q.qq.com            a URL          QQ mini programs
///     douyin_base_url      https://developer.toutiao.com   a URL          Douyin mini programs, the old endpoint
///     dingtalk_base_url    https://api.dingtalk.com        a URL          DingTalk
///     feishu_base_url      https://open.feishu.cn          a URL          Feishu
///     qqbot_base_url       https://bots.qq.com             a URL          QQ bots
///     douyin_open_base_url https://open.douyin.com         a URL          Douyin's open platform
///     douyin_game_base_url https://minigame.zijieapi.com   a URL          Douyin mini games
///     lark_base_url        https://open.larksuite.com      a URL          Lark
///     xiaohongshu_base_url https://miniapp.xiaohongshu.com a URL          Xiaohongshu mini programs
///     baidu_base_url       https://openapi.baidu.com       a URL          Baidu smart programs
///     qidian_base_url      https://api.qidian.qq.com       a URL          QiDian
///     timeout_ms           8000                            1 to 600000 ms the longest a call waits; saving may add 2 s
///     connect_timeout_ms   3000                            1 to 600000 ms for DNS, again for connect and TLS together
///     refresh_ahead_s      270                             0 to 3600 s    how early to refresh; 1/10 of a life at most
///     background_refresh   0                               0 or 1         1: a thread refreshes ahead; no caller waits
///     revalidate_ms        200                             0 to 60000 ms  how soon another process's change is seen
///     proxy                none                            a URL          http:// or socks5h://[user:pass@]host:port
///     ip_version           any                             any, 4 or 6    which addresses of a host's name are used
///     allow_plain_http     0                               0 or 1         1: a private address may be plain http
///     ca_file              none                            a path         extra PEM certificates to trust
///     key_file             <store>.key                     a path         the key that seals the secrets
///     server_key           none                            a client key   this program's key at a wxtoken server
///     server_key_file      none                            a path         the file of that key
///     log                  off                             a level        off, error, info or debug; to stderr
///
/// A base URL is https. Plain http is accepted for a loopback address. It is accepted for a private address too, if
/// allow_plain_http was set to 1 before. An empty URL or path stands for the built-in default. Only the option sets a
/// proxy: the library does not read $https_proxy and its like. A store on a server has a revalidate_ms of 1000.
///
/// @param option  A name from the first column.
/// @param value   The value, as a string.
/// @retval WXTOKEN_OK          The next call on this handle uses the value.
/// @retval WXTOKEN_E_ARGUMENT  The option is unknown, or its range lacks the value; nothing was changed.
///
///     if (wxtoken_set(wx, "timeout_ms", "3000", &err) != WXTOKEN_OK)
///         fprintf(stderr, "%s\n", err.message);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wxtoken_set(
    wx: *mut wxtoken,
    option: *const c_char,
    value: *const c_char,
    err: *mut wxtoken_error,
) -> wxtoken_status {
    // SAFETY: the header's contract on pointers.
    unsafe {
        guard::call(err, || {
            let client = client(wx)?;
            client.set(required(option, "option")?, required(value, "value")?)
        })
    }
}

/// Registers an account in the store, or changes it. Repeating a registration is cheap, so a program may do it at each
/// start. A reader may not: it calls wxtoken_get alone. A change takes effect in every process. The first account of a
/// store becomes the current one, which a NULL name means.
///
///     kind              id                put                    what it is
///     official          appid                                    service and subscription accounts, mini programs
///     official_classic  appid                                    like official, but each fetch ends the previous token
///     work              corpid                                   an app of a WeCom corporation
///     component         component_appid   verify_ticket          a third-party platform
///     authorizer        authorizer_appid  parent, refresh_token  an account that authorized a component; no secret
///     suite             suite_id          suite_ticket           a WeCom third-party app
///     work_authorized   auth_corpid       parent                 a corporation that has installed a suite
///     provider          corpid                                   a WeCom service provider
///     qq                appid                                    a QQ mini program
///     qqbot             appId                                    a QQ bot
///     douyin            appid                                    a Douyin mini program; prefer douyin_stable
///     douyin_stable     client_key                               a Douyin mini program or app
///     douyin_game       appid                                    a Douyin mini game
///     dingtalk          appKey                                   an internal app of DingTalk
///     dingtalk_suite    suiteKey          suite_ticket           a third-party app of DingTalk
///     feishu            app_id                                   a custom app of Feishu
///     feishu_store      app_id            app_ticket             a store app of Feishu
///     feishu_tenant     tenant_key        parent                 a tenant of a store app; no secret
///     lark              app_id                                   a custom app of Lark, which is Feishu overseas
///     xiaohongshu       appid                                    a Xiaohongshu mini program
///     baidu             client_id                                a Baidu smart program
///     qidian            appid                                    an account of QiDian
///
/// The column put names what wxtoken_put must set before the first get. docs/credentials.md describes each kind.
/// "official" uses the stable endpoint, "official_classic" the classic one. Prefer the stable endpoint: a token of the
/// classic one ends whenever any program fetches the next.
///
/// Two names with the same kind, id and parent share a token, and a new secret keeps the token. Only each secret of a
/// "work" or "work_authorized" has a token of its own. The command `wxtoken account remove` removes an account.
///
/// The first change after a failure ends the back-off at once. After each further change, the next request comes a
/// minute after the last failure.
///
/// On a wxtoken server, and in a store that a bridge fills, this call neither sends nor stores a secret. It succeeds if
/// the account is there with this kind and id.
///
/// @param account  A name of your choice: 1 to WXTOKEN_NAME_MAX bytes of UTF-8, without '/' and control characters.
/// @param kind     A name from the first column.
/// @param id       The id that the second column names: 1 to 128 printable ASCII characters without spaces.
/// @param secret   The secret of the id: 1 to 512 printable ASCII characters without spaces. A "work_authorized" passes
///                 its permanent_code. An "authorizer" or "feishu_tenant" passes NULL. The store seals it.
/// @retval WXTOKEN_OK          The account is in the store.
/// @retval WXTOKEN_E_ARGUMENT  The name, kind, id or secret is unusable, or the server has the name with another kind
///                             or id.
/// @retval WXTOKEN_E_ACCOUNT   The store is a server, and it does not have the account.
/// @retval WXTOKEN_E_STORE     The store cannot be written, or another user may have made it or may change it.
/// @retval WXTOKEN_E_SECRET    The key file cannot be read, or another user may have made it or may change it.
/// @retval WXTOKEN_E_TIMEOUT   Another process held the store for timeout_ms.
///
///     wxtoken_register(wx, "shop", "official", "wx0123456789abcdef", secret, &err);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wxtoken_register(
    wx: *mut wxtoken,
    account: *const c_char,
    kind: *const c_char,
    id: *const c_char,
    secret: *const c_char,
    err: *mut wxtoken_error,
) -> wxtoken_status {
    // SAFETY: the header's contract on pointers.
    unsafe {
        guard::call(err, || {
            let client = client(wx)?;
            client.register(
                required(account, "account")?,
                required(kind, "kind")?,
                required(id, "id")?,
                optional(secret, "secret")?,
            )?;
            Ok(())
        })
    }
}

/// Sets a field of an account that becomes known after the registration. The store keeps it.
///
///     field           of the kinds                 value
///     current         every kind                   NULL or "1": makes this account the one that NULL names
///     retry           every kind                   NULL or "1": ends the account's back-off after a failure
///     parent          authorizer, work_authorized  the name of the component's account, or of the suite's
///                     feishu_tenant                the name of the store app's account
///     verify_ticket   component                    pushed every 10 minutes, good for 12 hours
///     suite_ticket    suite                        pushed every 10 minutes, good for 30 minutes
///                     dingtalk_suite               pushed about every 5 hours
///     app_ticket      feishu_store                 pushed every hour
///     refresh_token   authorizer                   from the authorization; put the parent first
///
/// After a failure, all processes wait until retry_after_ms has passed. Once the cause is mended, put retry. It ends
/// the wait for all tokens and tickets of the account. It does so once a minute: a retry that comes sooner changes
/// nothing. The answer is then WXTOKEN_E_ARGUMENT, and err->retry_after_ms is the time left.
///
/// The store seals a ticket or refresh token like a secret. A platform may send a new refresh token along with an
/// access token. The store saves both in one transaction. Putting the old refresh token again then changes nothing.
///
/// @param account  The name of the account.
/// @param field    A name from the first column.
/// @param value    The value of the field. A ticket or refresh token has the characters of a secret.
/// @retval WXTOKEN_OK          The store has the value, or a newer refresh token.
/// @retval WXTOKEN_E_ARGUMENT  The kind does not have this field, the value or the parent's kind is wrong, or a retry
///                             comes too soon.
/// @retval WXTOKEN_E_ACCOUNT   The account or the parent is not in the store.
/// @retval WXTOKEN_E_STORE     The store cannot be written, or another user may have made it or may change it.
/// @retval WXTOKEN_E_SECRET    The key file cannot be read, or another user may have made it or may change it.
/// @retval WXTOKEN_E_TIMEOUT   Another process held the store for timeout_ms.
///
///     wxtoken_put(wx, "platform", "verify_ticket", ticket, &err);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wxtoken_put(
    wx: *mut wxtoken,
    account: *const c_char,
    field: *const c_char,
    value: *const c_char,
    err: *mut wxtoken_error,
) -> wxtoken_status {
    // SAFETY: the header's contract on pointers.
    unsafe {
        guard::call(err, || {
            let client = client(wx)?;
            client.put(
                required(account, "account")?,
                required(field, "field")?,
                optional(value, "value")?,
            )
        })
    }
}

/// Gives a token that is valid now. Call it for each use of a token, and do not keep the token.
///
/// The call copies a token that this process knows to be fresh. Every revalidate_ms it looks into the store first. It
/// fetches a token only when no process has a fresh one, so a store makes one request per expiry. While the platform
/// cannot be reached, the call gives a token that is still valid.
///
/// A name is an account, or account/credential, such as "shop/jsapi_ticket":
///
///     credential      of the kinds
///     jsapi_ticket    official, official_classic, work, authorizer, work_authorized, douyin_stable, dingtalk, feishu,
///                     feishu_tenant, lark, qidian
///     card_ticket     official, official_classic, work, authorizer, work_authorized, qidian
///     sdk_ticket      official, official_classic, authorizer
///     agent_ticket    work, work_authorized
///     open_ticket     douyin_stable
///     app_token       feishu, lark
///
/// A ticket is fetched with the account's token, and an authorizer's token with its component's. The call fetches those
/// first if it must, within the same timeout_ms. The error names the fetch that failed.
///
/// Five names give a secret instead. account/refresh_token, account/verify_ticket, account/suite_ticket and
/// account/app_ticket give what wxtoken_put has set. account/refresh_token_before gives the last refresh token that was
/// replaced. Only a process that can read the key file gets them, or a client of a server that may get and put.
///
/// @param name  An account or account/credential. NULL is the current account.
/// @param out   Receives the token. A failure leaves it as it was.
/// @retval WXTOKEN_OK          The token is in *out.
/// @retval WXTOKEN_E_ARGUMENT  The name is malformed, or the kind does not have this credential.
/// @retval WXTOKEN_E_ACCOUNT   The account is not in the store, or its parent is missing.
/// @retval WXTOKEN_E_STORE     The store cannot be read, or it cannot be written and this fetch must be saved.
/// @retval WXTOKEN_E_SECRET    The key file cannot be read, or a ticket or refresh token was never put.
/// @retval WXTOKEN_E_NETWORK   The platform was not reached.
/// @retval WXTOKEN_E_REPLY     A host answered, but not with a valid token response.
/// @retval WXTOKEN_E_API       The platform refused: err->errcode and err->message say why.
/// @retval WXTOKEN_E_TIMEOUT   The timeout_ms passed, in a fetch or in waiting for another process.
///
/// The store notes a failed fetch. For err->retry_after_ms no process makes a request. A call that finds no valid token
/// then gets the same failure at once. A timeout is shared only with calls whose timeout_ms is not longer.
///
///     wxtoken_token token;
///     if (wxtoken_get(wx, "shop", &token, &err) == WXTOKEN_OK)
///         call_api(token.value);
///     else
///         fprintf(stderr, "%s\n", err.message);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wxtoken_get(
    wx: *mut wxtoken,
    name: *const c_char,
    out: *mut wxtoken_token,
    err: *mut wxtoken_error,
) -> wxtoken_status {
    // SAFETY: the header's contract on pointers.
    unsafe {
        guard::quick_call(err, || {
            require_out(out)?;
            let client = client(wx)?;
            let name = bytes(name, "name")?;
            if client.hit(name, |token| give(token, out)).is_none() {
                let name = name.map(|name| utf8(name, "name")).transpose()?;
                give(&away_from_fork(|| client.get(name))?, out);
            }
            Ok(())
        })
    }
}

/// Gives a token that this process knows to be valid, and never waits. It takes no lock, and touches no file and no
/// network. It is for event loops: when it gives no token, call wxtoken_get on another thread.
///
/// A look at the store is due once in revalidate_ms, and after a change of an account. This call then gives no token
/// until a wxtoken_get has begun that look. If revalidate_ms is 0, it gives none. It never gives a secret.
///
/// @param name  An account or account/credential, as for wxtoken_get.
/// @param out   Receives the token. A failure leaves it as it was.
/// @retval WXTOKEN_OK          The token is in *out.
/// @retval WXTOKEN_E_ARGUMENT  A NULL is passed as wx or out, or the name is longer than 4096 bytes.
/// @retval WXTOKEN_E_TIMEOUT   No token is known now: call wxtoken_get, which may wait, and says why if it fails.
///
///     if (wxtoken_known(wx, "shop", &token, NULL) == WXTOKEN_OK)
///         call_api(token.value);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wxtoken_known(
    wx: *mut wxtoken,
    name: *const c_char,
    out: *mut wxtoken_token,
    err: *mut wxtoken_error,
) -> wxtoken_status {
    // SAFETY: the header's contract on pointers.
    unsafe {
        guard::quick_call(err, || {
            require_out(out)?;
            let known = client(wx)?.known(bytes(name, "name")?, |token| give(token, out));
            known.ok_or_else(|| {
                Error::new(
                    Status::Timeout,
                    "no token is known that can be given at once",
                )
                .advise("Call wxtoken_get where the thread may wait.")
            })
        })
    }
}

/// Reports that the API refused a token with errcode 40001, 40014 or 42001. Then get a token, and repeat the business
/// call once. WeCom's suites also have 40082 and 42009, and other platforms have codes of their own. Do not reject for
/// another errcode, such as 48001 (no permission).
///
/// Nothing happens if the store has another token by now. Otherwise the next wxtoken_get asks the platform whether it
/// takes the token. A token that the platform takes is served again. A token that it refuses is replaced in that get.
/// A ticket is replaced without such a check, and so is a token of a kind that has none. Rejects cause at most one
/// check or replacement per 30 seconds and credential. In between, a get serves the same token again.
///
/// @param name   An account or account/credential, as for wxtoken_get.
/// @param token  The token that was refused: 1 to WXTOKEN_TOKEN_SIZE - 1 bytes.
/// @retval WXTOKEN_OK          The rejection is noted, or the store has another token.
/// @retval WXTOKEN_E_ARGUMENT  The name or the token is malformed, or the kind does not have this credential.
/// @retval WXTOKEN_E_ACCOUNT   The account is not in the store.
/// @retval WXTOKEN_E_STORE     This process can only read the store, and no keeper took the rejection.
/// @retval WXTOKEN_E_TIMEOUT   Another process held the store for timeout_ms.
///
///     int errcode = call_api(token.value);
///     if (errcode == 40001 || errcode == 40014 || errcode == 42001) {
///         wxtoken_reject(wx, "shop", token.value, NULL);
///         if (wxtoken_get(wx, "shop", &token, &err) == WXTOKEN_OK)
///             errcode = call_api(token.value);
///     }
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wxtoken_reject(
    wx: *mut wxtoken,
    name: *const c_char,
    token: *const c_char,
    err: *mut wxtoken_error,
) -> wxtoken_status {
    // SAFETY: the header's contract on pointers.
    unsafe {
        guard::call(err, || {
            let client = client(wx)?;
            client.reject(optional(name, "name")?, required(token, "token")?)
        })
    }
}

/// Writes a report on every account and token, as JSON. It has the kind, the id and the secret's fingerprint of each
/// account. It says of each token when it was fetched and by which process, when it is refreshed and when it ends. It
/// has counts, the last error and the time of the next try. It holds no secret and no token. See docs/store.md.
///
/// @param buf     Receives the report, NUL-terminated. It may be NULL with a cap of 0, to learn the size.
/// @param cap     Bytes of buf.
/// @param needed  Receives the size of the report with its NUL, even if cap is too small. It may be NULL.
/// @retval WXTOKEN_OK          The report is in buf.
/// @retval WXTOKEN_E_ARGUMENT  The cap is too small: *needed is set, and buf is as it was.
/// @retval WXTOKEN_E_STORE     The store cannot be read.
/// @retval WXTOKEN_E_TIMEOUT   Another process held the store for timeout_ms.
///
///     size_t needed = 0;
///     wxtoken_report(wx, NULL, 0, &needed, NULL);
///     char *report = malloc(needed);
///     if (report != NULL && wxtoken_report(wx, report, needed, &needed, &err) == WXTOKEN_OK)
///         puts(report);
///     free(report);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wxtoken_report(
    wx: *mut wxtoken,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
    err: *mut wxtoken_error,
) -> wxtoken_status {
    // SAFETY: the header's contract on pointers.
    unsafe {
        guard::call(err, || {
            let client = client(wx)?;
            if buf.is_null() && cap != 0 {
                return Err(null("buf"));
            }
            let report = client.report_for(cap)?;
            let size = report.len() + 1;
            if !needed.is_null() {
                needed.write(size);
            }
            if cap < size {
                return Err(Error::argument("the buffer is too small for the report")
                    .because(format!("cap is {cap}, the report takes {size} bytes"))
                    .advise("Pass a buffer of *needed bytes."));
            }
            let buf = buf.cast::<u8>();
            buf.copy_from_nonoverlapping(report.as_ptr(), report.len());
            buf.add(report.len()).write(0);
            Ok(())
        })
    }
}

/// Frees a handle; NULL is a no-op. The call waits up to timeout_ms for a background refresh of this handle. The store
/// stays, and so does what the process knows of it.
///
/// @param wx  The handle. No other call may use it during this call, or later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wxtoken_free(wx: *mut wxtoken) {
    // SAFETY: wxtoken_init made the handle, and the caller frees it once.
    unsafe {
        guard::call(std::ptr::null_mut(), || {
            if !wx.is_null() {
                Box::from_raw(wx).client.close();
            }
            Ok(())
        });
    }
}

/// Returns the version of the library at run time, such as "0.1.0", in static memory. The version of the header is
/// WXTOKEN_VERSION. To compare the two, read three numbers with sscanf and "%d.%d.%d".
#[unsafe(no_mangle)]
pub extern "C" fn wxtoken_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Returns the name of a status, such as "WXTOKEN_E_STORE", or "unknown status", in static memory.
///
/// @param status  A wxtoken_status, or any other number.
#[unsafe(no_mangle)]
pub extern "C" fn wxtoken_status_name(status: i32) -> *const c_char {
    let known = Status::ALL
        .into_iter()
        .find(|known| *known as i32 == status);
    let name = match (status, known) {
        (0, _) => c"WXTOKEN_OK",
        (_, Some(known)) => known.c_name(),
        (_, None) => c"unknown status",
    };
    name.as_ptr()
}

#[inline(always)]
unsafe fn client<'a>(wx: *mut wxtoken) -> Result<&'a Client> {
    // SAFETY: by the header's contract it is NULL or a live handle.
    match unsafe { wx.as_ref() } {
        Some(handle) => Ok(&handle.client),
        None => Err(null("wx")),
    }
}

/// Copies a token into the caller's memory, and writes no more of `value` than it needs. That memory may be
/// uninitialised, so it is written through pointers.
unsafe fn give(token: &CachedToken, out: *mut wxtoken_token) {
    let length = token.value.len();
    assert!(length < TOKEN_SIZE);
    // SAFETY: by the header's contract `out` may be written to. The token is shorter than `value`.
    unsafe {
        (&raw mut (*out).expires_at).write(token.expires_at_s);
        (&raw mut (*out).length).write(length);
        let value = (&raw mut (*out).value).cast::<u8>();
        value.copy_from_nonoverlapping(token.value.as_ptr(), length);
        value.add(length).write(0);
    }
}

#[inline(always)]
fn require_out<T>(out: *mut T) -> Result<()> {
    if out.is_null() {
        return Err(null("out"));
    }
    Ok(())
}

fn null(parameter: &str) -> Error {
    Error::argument(format!("{parameter} is NULL"))
}
