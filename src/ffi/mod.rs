//! The C boundary. Each export parses, calls, converts; what it means is `client`'s business.
//!
//! The documentation here is the header's, for readers of C. cbindgen makes `include/wxtoken.h` of this directory.

// The pointers' contracts stand in the header, once for the whole API.
#![allow(clippy::missing_safety_doc)]

mod guard;
mod text;
mod types;

use std::ffi::c_char;

pub use types::{wxtoken, wxtoken_error, wxtoken_status, wxtoken_token};

use crate::client::Client;
use crate::error::{Error, Result, Status};
use crate::process::cache::CachedToken;
use text::{bytes, optional, required, utf8};

/// Opens a store, creating it when absent. Cheap to repeat: handles on one store share what the process knows.
///
/// @param store  Path of the SQLite file, at most 4096 bytes; its directory must exist. NULL is $WXTOKEN_STORE, else
///               $XDG_STATE_HOME/wxtoken/tokens.db, else ~/.local/state/wxtoken/tokens.db. Not on a network filesystem.
/// @param out    Receives the handle; free it with wxtoken_free.
/// @param err    Receives the reason of a failure; may be NULL.
/// @return WXTOKEN_OK; E_ARGUMENT (store or an environment variable is unusable); E_STORE (cannot be opened or created,
///         belongs to another program, or was written by a newer version); E_TIMEOUT (another process holds it).
///
/// The environment ($WXTOKEN_STORE, and $WXTOKEN_<OPTION> for each option of wxtoken_set) is read here and nowhere else.
///
///     wxtoken *wx;
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
            if out.is_null() {
                return Err(null("out"));
            }
            let client = Client::open(optional(store, "store")?)?;
            out.write(Box::into_raw(Box::new(wxtoken { client })));
            Ok(())
        })
    }
}

/// Sets an option of this handle. The default of each is $WXTOKEN_<OPTION>, in capitals, as it was at wxtoken_init.
///
///     api_base_url        https://api.weixin.qq.com      plain http is taken for a loopback address only
///     work_base_url       https://qyapi.weixin.qq.com    the same for WeCom, and these for other platforms:
///     qq_base_url, douyin_base_url, dingtalk_base_url, feishu_base_url
///     timeout_ms          8000      the longest a call may wait, 1 to 600000 (saving a fetched token may take 2 s more)
///     connect_timeout_ms  3000      for the look-up of a host's name, and again for connect and TLS, 1 to 600000
///     refresh_ahead_s     270       how long before its end a token is refreshed, 0 to 3600 (at most a tenth of its life)
///     background_refresh  0         1: a one-shot thread refreshes ahead, and no caller waits for it
///     revalidate_ms       200       how soon another process's change is seen, 0 to 60000
///     proxy                         http://[user:password@]host:port; only this option sets one
///     ca_file                       PEM file of certificates to trust beside the web PKI
///     key_file            <store>.key   the key that seals the secrets
///     log                 off       off, error, info or debug; to stderr
///
/// An empty value stands for the built-in default where the option is a URL or a path.
///
/// @param option  One of the names above.
/// @param value   Its value, as a string.
/// @return WXTOKEN_OK; E_ARGUMENT (unknown option or bad value: nothing is changed).
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

/// Registers an account or updates it. It stays in the store; repeating it is cheap when nothing has changed. The first
/// account of a store becomes the current one. A change clears the account's earlier failures and takes effect in every
/// process.
///
/// @param account  A name of your choosing: 1 to 128 bytes of UTF-8, no '/', no control characters.
/// @param kind     One of these; what each needs put, and the tickets it has, stand in docs/credentials.md:
///                 "official" (service and subscription accounts, mini programs; the stable endpoint),
///                 "official_classic" (the same by the classic endpoint, where each fetch ends the token before),
///                 "work" (an app of a WeCom corporation),
///                 "component" (a third-party platform), "authorizer" (an account that has authorized one),
///                 "suite" (a WeCom third-party app), "work_authorized" (a corporation that has installed one),
///                 "provider" (a WeCom service provider), "qq", "douyin", "dingtalk", "feishu".
/// @param id       The appid, corpid, suite_id and so on: 1 to 128 printable ASCII characters.
/// @param secret   Its secret: 1 to 512 printable ASCII characters; for "work_authorized" the permanent_code. NULL for
///                 "authorizer", which has none. Copied, sealed, and never shown again.
/// @return WXTOKEN_OK; E_ARGUMENT; E_STORE (cannot be written); E_SECRET (the key file cannot be read); E_TIMEOUT.
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
            )
        })
    }
}

/// Sets a field of an account that is known later than its registration.
///
///     current        every kind                   "1" or NULL: makes this account the one that NULL names
///     parent         authorizer, work_authorized  the name of its component, or suite, in this store
///     verify_ticket  component                    from the push every 10 minutes; good for 12 hours
///     suite_ticket   suite                        from the push every 10 minutes; good for 30 minutes
///     refresh_token  authorizer                   from the authorization; put the parent first
///
/// A ticket or refresh token is sealed like a secret, and stays in the store. When the platform sends another refresh
/// token it replaces the one that was put, in the same transaction as the token that came with it; putting again what was
/// put before changes nothing then. wxtoken_get("NAME/refresh_token") reads it, where the key can be read.
///
/// @param account  Its name.
/// @param field    One of the above.
/// @param value    Its value, 1 to 512 printable ASCII characters.
/// @return WXTOKEN_OK; E_ARGUMENT (no field of this kind, a bad value, a parent of the wrong kind); E_ACCOUNT (no such
///         account or parent); E_STORE; E_SECRET (the key file cannot be read); E_TIMEOUT.
///
///     wxtoken_put(wx, "platform", "verify_ticket", ticket_from_the_push, &err);
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

/// Gives a token that is valid now. Costs a copy while this process knows a fresh one, a look at the store every
/// revalidate_ms, and a request to WeChat once per expiry among all processes on the store. A token that is still valid
/// is served when WeChat cannot be reached.
///
/// A name is an account, or an account's other credential: "shop/jsapi_ticket", "shop/card_ticket", in WeCom
/// "app/jsapi_ticket" and "app/agent_ticket". What those are fetched with (a ticket with the account's token, an
/// authorizer's token with its component's) is fetched on the way by the same rules, within the same timeout_ms; an error
/// names the link that failed.
///
/// @param name  An account, or account/credential; NULL is the current account. account/refresh_token (verify_ticket,
///              suite_ticket) gives what was put, with an expires_at of 0 where it has no end.
/// @param out   Receives the token; untouched on failure.
/// @return WXTOKEN_OK; E_ARGUMENT; E_ACCOUNT; E_STORE; E_SECRET; E_NETWORK; E_REPLY; E_API (err->errcode is WeChat's);
///         E_TIMEOUT. E_SECRET also when a ticket or refresh token was never put, E_ACCOUNT when a parent is missing.
///         When err->retry_after_ms is set, it says when a request will be made again; until then every process
///         without a valid token gets the same answer at once (after a timeout, those with no more patience).
///
/// Blocks up to timeout_ms when it has to fetch or to wait for another process that does.
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
        guard::call(err, || {
            if out.is_null() {
                return Err(null("out"));
            }
            let client = client(wx)?;
            let name = bytes(name, "name")?;
            if client.hit(name, |token| give(token, out)).is_none() {
                let name = name.map(|name| utf8(name, "name")).transpose()?;
                give(&client.get(name)?, out);
            }
            Ok(())
        })
    }
}

/// Says that the API refused a token (errcode 40001, 40014 or 42001 in the answer to a business call): the next
/// wxtoken_get fetches another. Compares first: if the stored token is a different one by now, nothing happens. Rejects
/// cause at most one fetch per 30 seconds and credential; a token that WeChat hands out again is served again.
///
/// @param name   The account or account/credential, as for wxtoken_get.
/// @param token  The token that was refused, 1 to 1023 bytes.
/// @return WXTOKEN_OK; E_ARGUMENT; E_ACCOUNT; E_STORE (this process may only read the store, and no keeper was there to be
///         told); E_TIMEOUT.
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

/// Writes a report on every account and token as JSON: kind, id, the secret's fingerprint, when a token was fetched, by
/// whom, when it is refreshed and ends, counts, the last error, when the next try is. No secret and no token is in it.
///
/// @param buf     Where to write it, NUL-terminated; may be NULL with a cap of 0, to learn the size.
/// @param cap     Bytes there.
/// @param needed  Receives the bytes it takes, with the NUL, even when cap is too small; may be NULL.
/// @return WXTOKEN_OK; E_ARGUMENT (cap is too small: *needed is set, buf is untouched); E_STORE; E_TIMEOUT.
///
///     size_t needed;
///     wxtoken_report(wx, NULL, 0, &needed, NULL);
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
            let report = client.report()?;
            let size = report.len() + 1;
            if !needed.is_null() {
                needed.write(size);
            }
            if cap < size {
                return Err(Error::argument(format!(
                    "cap is {cap}, the report takes {size} bytes: pass a buffer of *needed bytes"
                )));
            }
            let buf = buf.cast::<u8>();
            buf.copy_from_nonoverlapping(report.as_ptr(), report.len());
            buf.add(report.len()).write(0);
            Ok(())
        })
    }
}

/// Ends a handle; NULL is a no-op. Waits up to timeout_ms for a background refresh of this handle. The store and what the
/// process knows of it stay.
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

/// The version of the library at run time, such as "0.1.0"; the header's is WXTOKEN_VERSION. Static memory.
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

fn null(parameter: &str) -> Error {
    Error::argument(format!("{parameter} is NULL"))
}
