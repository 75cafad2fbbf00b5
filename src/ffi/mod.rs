//! The C boundary. Each export parses, calls, converts; what it means is `client`'s business.
//!
//! The documentation here is the header's, for readers of C. cbindgen makes `include/wxtoken.h` of this directory.

// The pointers' contracts stand in the header, once for the whole API.
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

/// Opens a store, and creates it when it is absent. All handles on one store share what the process knows, so that a
/// program may open and free as often as it likes.
///
/// @param store  Path of the SQLite file, at most 4096 bytes. Its directory must exist, on a local disk. Or, for many
///               hosts, a server of Redis: redis://[USER:PASSWORD@]HOST[:6379][/DB][?prefix=wxtoken], rediss:// for TLS,
///               redis+unix:///PATH, redis+sentinel://HOST1,HOST2/MASTER, redis+cluster://HOST1,HOST2.
///               $WXTOKEN_STORE_PASSWORD_FILE may name a file with the password. Or a wxtoken server:
///               https://HOST[:PORT], unix:/PATH, http:// to loopback; its key is the option server_key. NULL is $WXTOKEN_STORE, else $XDG_STATE_HOME/wxtoken/tokens.db, else
///               ~/.local/state/wxtoken/tokens.db.
/// @param out    Receives the handle. Free it with wxtoken_free.
/// @param err    Receives the reason of a failure. May be NULL, here and in every function.
/// @return WXTOKEN_OK
///         WXTOKEN_E_ARGUMENT  store or an environment variable is unusable
///         WXTOKEN_E_STORE     cannot be opened or created, or belongs to another program or a newer version
///         WXTOKEN_E_TIMEOUT   another process held the store for timeout_ms
///
/// The environment is read here and nowhere else: $WXTOKEN_STORE, and $WXTOKEN_<OPTION> for each option of wxtoken_set.
/// A program that runs with rights that its caller lacks (set-user-ID, set-group-ID, capabilities: AT_SECURE) reads none
/// of it, as secure_getenv has it. There store must be a path, and options are set by wxtoken_set alone.
///
///     wxtoken *wx = NULL;
///     if (wxtoken_init("/var/lib/wx/tokens.db", &wx, &err) != WXTOKEN_OK) fputs(err.message, stderr);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wxtoken_init(
    store: *const c_char,
    out: *mut *mut wxtoken,
    err: *mut wxtoken_error,
) -> wxtoken_status {
    // SAFETY: the header's contract on pointers, here and in every export below.
    unsafe {
        guard::call(err, || {
            require_out(out)?;
            let client = Client::open(optional(store, "store")?)?;
            out.write(Box::into_raw(Box::new(wxtoken { client })));
            Ok(())
        })
    }
}

/// Sets an option of this handle. Its default is $WXTOKEN_<OPTION>, in capitals, as it was at wxtoken_init, else:
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
///     background_refresh   0                               0 or 1         1: a thread refreshes ahead; nobody waits
///     revalidate_ms        200                             0 to 60000 ms  how soon another process's change is seen
///     proxy                none                            a URL          http:// or socks5h://[user:pass@]host:port
///     ip_version           any                             any, 4 or 6    which addresses of a host's name are used
///     allow_plain_http     0                               0 or 1         with 1 a private address may be plain http
///     ca_file              none                            a path         PEM certificates to trust beside the web PKI
///     key_file             <store>.key                     a path         the key that seals the secrets
///     server_key           none                            a client key   this program's key at a wxtoken server
///     server_key_file      none                            a path         the file of that key
///     log                  off                             a level        off, error, info or debug; to stderr
///
/// A base URL is https, or plain http to a loopback address; with allow_plain_http, set before it, also to a private one. An
/// empty URL or path is the built-in default. The library does not read $https_proxy and its like: only the option sets a
/// proxy.
///
/// @param option  A name from the first column.
/// @param value   Its value, as a string.
/// @return WXTOKEN_OK
///         WXTOKEN_E_ARGUMENT  unknown option or bad value; nothing was changed
///
///     wxtoken_set(wx, "timeout_ms", "3000", NULL);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wxtoken_set(
    wx: *mut wxtoken,
    option: *const c_char,
    value: *const c_char,
    err: *mut wxtoken_error,
) -> wxtoken_status {
    // SAFETY: as above.
    unsafe {
        guard::call(err, || {
            let client = client(wx)?;
            client.set(required(option, "option")?, required(value, "value")?)
        })
    }
}

/// Registers an account, or updates it. The account stays in the store. Repeating the call is cheap when nothing has
/// changed. A change takes effect in every process. The first change after a failure ends the back-off. While changes
/// follow each other, a refused credential is tried once a minute. The first account of a store becomes the current one.
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
/// "official" uses the stable endpoint, "official_classic" the classic one.
///
/// On a wxtoken server, and in a store that a bridge fills, this call sends and stores no secret. It succeeds where the account
/// is there already with this kind and id.
///
/// @param account  A name of your choosing: 1 to WXTOKEN_NAME_MAX bytes of UTF-8, no '/', no control character.
/// @param kind     A name from the first column.
/// @param id       What the second column names: 1 to 128 printable ASCII characters.
/// @param secret   Its secret: 1 to 512 printable ASCII characters. The secret of a "work_authorized" is its
///                 permanent_code, and that of an "authorizer" is NULL. It is sealed in the store.
/// @return WXTOKEN_OK
///         WXTOKEN_E_ARGUMENT  the name, kind, id or secret is unusable, or the account is another one on the server
///         WXTOKEN_E_ACCOUNT   the store is a server, which does not have the account
///         WXTOKEN_E_STORE     the store cannot be written, or a stranger may have made it or may change it
///         WXTOKEN_E_SECRET    the key file cannot be read, or a stranger may have made it or may change it
///         WXTOKEN_E_TIMEOUT   another process held the store for timeout_ms
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
    // SAFETY: as above.
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

/// Sets a field that becomes known after the registration. It stays in the store.
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
/// After a failure every process waits until retry_after_ms has passed. Put retry once the cause is mended. It ends the
/// wait for all tokens and tickets of the account, at most once a minute. A put that comes sooner changes nothing. It
/// answers WXTOKEN_E_ARGUMENT and the time that is left, in retry_after_ms.
///
/// A ticket or refresh token is sealed like a secret. A platform may send another refresh token with an access token.
/// Both are then saved in one transaction. Putting the old refresh token again changes nothing after that.
///
/// @param account  Its name.
/// @param field    A name from the first column.
/// @param value    Its value. A ticket or refresh token has 1 to 512 printable ASCII characters.
/// @return WXTOKEN_OK
///         WXTOKEN_E_ARGUMENT  the kind does not have this field, the value or the parent's kind is wrong, or a retry
///                             comes too soon
///         WXTOKEN_E_ACCOUNT   there is no such account or parent
///         WXTOKEN_E_STORE     the store cannot be written, or a stranger may have made it or may change it
///         WXTOKEN_E_SECRET    the key file cannot be read, or a stranger may have made it or may change it
///         WXTOKEN_E_TIMEOUT   another process held the store for timeout_ms
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
    // SAFETY: as above.
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

/// Gives a token that is valid now. Call it for each use, and do not keep the token.
///
/// The call copies a token that this process knows to be fresh, and looks into the store every revalidate_ms. All
/// processes on a store together make one request per expiry. While the platform cannot be reached, a token that is
/// still valid is served.
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
/// on the way, within the same timeout_ms. An error names the link that failed.
///
/// Five names return a secret: account/refresh_token, account/verify_ticket, account/suite_ticket and account/app_ticket
/// give what was put. account/refresh_token_before gives the refresh token that was replaced last. Only a process that can read the key file
/// gets them. An expires_at of 0 says that no end is known.
///
/// @param name  An account or account/credential. NULL is the current account.
/// @param out   Receives the token. A failure leaves it as it was.
/// @return WXTOKEN_OK
///         WXTOKEN_E_ARGUMENT  the name is malformed, or the kind does not have this credential
///         WXTOKEN_E_ACCOUNT   there is no such account, or its parent is missing
///         WXTOKEN_E_STORE     the store cannot be read, or not written and the fetch may not do without
///         WXTOKEN_E_SECRET    the key file cannot be read, or a ticket or refresh token was never put
///         WXTOKEN_E_NETWORK   the platform was not reached
///         WXTOKEN_E_REPLY     a host answered, but not with a valid token response
///         WXTOKEN_E_API       the platform refused: err->errcode and err->message say why
///         WXTOKEN_E_TIMEOUT   timeout_ms passed, in a fetch or in waiting for another process
///
/// A failed fetch is noted in the store. For err->retry_after_ms no process makes a request, and a call that finds no
/// valid token gets the same failure at once. A timeout is shared only with calls whose timeout_ms is not longer.
///
///     wxtoken_token token;
///     if (wxtoken_get(wx, "shop", &token, &err) == WXTOKEN_OK) use(token.value, token.length);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wxtoken_get(
    wx: *mut wxtoken,
    name: *const c_char,
    out: *mut wxtoken_token,
    err: *mut wxtoken_error,
) -> wxtoken_status {
    // SAFETY: as above.
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

/// Gives a token that this process knows, and never waits. It takes no lock, and touches no file and no network. An event
/// loop calls it, and where it gives none, calls wxtoken_get on another thread.
///
/// Once in revalidate_ms a look at the store is due. No token is known then, until a wxtoken_get has begun to look. A secret
/// is never known.
///
/// @param name  As for wxtoken_get.
/// @param out   Receives the token. A failure leaves it as it was.
/// @return WXTOKEN_OK
///         WXTOKEN_E_ARGUMENT  wx or out is NULL, or the name is longer than 4096 bytes
///         WXTOKEN_E_TIMEOUT   none is known now: wxtoken_get may have to wait, and says what there is to say
///
///     if (wxtoken_known(wx, "shop", &token, NULL) == WXTOKEN_OK) use(token.value, token.length);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wxtoken_known(
    wx: *mut wxtoken,
    name: *const c_char,
    out: *mut wxtoken_token,
    err: *mut wxtoken_error,
) -> wxtoken_status {
    // SAFETY: as above.
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

/// Says that the API refused a token: the answer to a business call was errcode 40001, 40014 or 42001. Nothing happens if
/// the stored token is a different one by now. Otherwise the next wxtoken_get asks the platform whether it takes the token.
/// A token that the platform takes is served again. A token that it refuses is replaced in that get. Kinds without such a
/// check are replaced at once. Rejects cause at most one check per 30 seconds and credential.
///
/// @param name   An account or account/credential, as for wxtoken_get.
/// @param token  The token that was refused: 1 to WXTOKEN_TOKEN_SIZE - 1 bytes.
/// @return WXTOKEN_OK
///         WXTOKEN_E_ARGUMENT  the name or the token is malformed
///         WXTOKEN_E_ACCOUNT   there is no such account
///         WXTOKEN_E_STORE     this process can only read the store, and no keeper took the rejection
///         WXTOKEN_E_TIMEOUT   another process held the store for timeout_ms
///
///     if (errcode == 40001) wxtoken_reject(wx, "shop", token.value, &err);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wxtoken_reject(
    wx: *mut wxtoken,
    name: *const c_char,
    token: *const c_char,
    err: *mut wxtoken_error,
) -> wxtoken_status {
    // SAFETY: as above.
    unsafe {
        guard::call(err, || {
            let client = client(wx)?;
            client.reject(optional(name, "name")?, required(token, "token")?)
        })
    }
}

/// Writes a report on every account and token as JSON. It says kind, id and the secret's fingerprint, when and by whom a
/// token was fetched, when it is refreshed and ends, counts, the last error, and the next try. It holds no secret and no
/// token.
///
/// @param buf     Where to write it, NUL-terminated. May be NULL with a cap of 0, to learn the size.
/// @param cap     Bytes there.
/// @param needed  Receives the bytes that it takes, with the NUL, even when cap is too small. May be NULL.
/// @return WXTOKEN_OK
///         WXTOKEN_E_ARGUMENT  cap is too small: *needed is set, and buf is as it was
///         WXTOKEN_E_STORE     the store cannot be read
///         WXTOKEN_E_TIMEOUT   another process held the store for timeout_ms
///
///     size_t needed = 0;
///     wxtoken_report(wx, NULL, 0, &needed, NULL);
///     char *report = malloc(needed);
///     if (wxtoken_report(wx, report, needed, &needed, &err) == WXTOKEN_OK) puts(report);
///     free(report);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wxtoken_report(
    wx: *mut wxtoken,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
    err: *mut wxtoken_error,
) -> wxtoken_status {
    // SAFETY: as above.
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

/// Ends a handle; NULL is a no-op. It waits up to timeout_ms for a background refresh of this handle. The store, and what
/// the process knows of it, stay.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wxtoken_free(wx: *mut wxtoken) {
    // SAFETY: the handle came from wxtoken_init and is given back once.
    unsafe {
        guard::call(std::ptr::null_mut(), || {
            if !wx.is_null() {
                Box::from_raw(wx).client.close();
            }
            Ok(())
        });
    }
}

/// The version of the library at run time, such as "0.1.0". The header's is WXTOKEN_VERSION. Static memory.
#[unsafe(no_mangle)]
pub extern "C" fn wxtoken_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The name of a status, such as "WXTOKEN_E_STORE", or "unknown status". Static memory.
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
    // SAFETY: NULL, or a live handle by the header's contract.
    match unsafe { wx.as_ref() } {
        Some(handle) => Ok(&handle.client),
        None => Err(null("wx")),
    }
}

/// Copies a token out. The caller's memory may be uninitialised, so it is written through pointers, and no further than
/// needed.
unsafe fn give(token: &CachedToken, out: *mut wxtoken_token) {
    let length = token.value.len();
    // SAFETY: `out` is valid to write to by the header's contract; a token is shorter than its `value`.
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
