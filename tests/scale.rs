//! Work on the whole store takes time linear in its size: ten times the accounts take about ten times as long.
//!
//! The test compares the processor time of two runs in one process, with room. Quadratic work would take a hundred
//! times as long.

use std::path::Path;
use std::sync::Arc;

use common::{SECRET, World};
use serde_json::json;
use wxtoken::tool::{KeeperEvent, Report, Store};

const FEW: i64 = 1_000;
const MANY: i64 = 10_000;
/// Linear is 10. The small store also has costs that do not depend on its size.
const MOST: f64 = 40.0;

/// A store of this many authorizers of one component, each with a fresh row.
fn store_of(world: &World, accounts: i64) -> Store {
    let store = world.store().with_file_name(format!("{accounts}.db"));
    let handle = world.open_at(&store);
    handle
        .register("zzz", "component", "wx-component", SECRET)
        .unwrap();
    drop(handle);
    multiply(&store, accounts);
    Store::open(store.to_str()).unwrap()
}

fn multiply(store: &Path, accounts: i64) {
    let now_ms = "(unixepoch() * 1000)";
    let sql = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {accounts})
         INSERT INTO weixin_account (name, kind, appid, fingerprint, parent)
             SELECT 'shop-' || i, 'authorizer', 'wx' || i, '', 'zzz' FROM n;
         INSERT INTO weixin_token (endpoint, base_url, appid, fingerprint, access_token, fetched_at, expires_at,
             refresh_at, fetched_boot, boot_id, fetched_by, fetches, rejects, rejected, reissued, reject_tried,
             reject_fetch_at, force_day, forces, failures, failed_at, backoff_ms, failed_budget_ms, last_status,
             last_errcode, last_error, lease_owner, lease_until, lease_slot, put, put_at, put_fingerprint)
             SELECT 'api_authorizer_token', 'https://api.weixin.qq.com', appid, 'wx-component', 'T' || appid,
                 {now_ms}, {now_ms} + 7200000, {now_ms} + 6900000, 0, '', 'a test', 1, 0, 0, 0, 0,
                 0, 0, 0, 0, 0, 0, 0, 0, 0, '', 0, 0, 0, x'00', 1, 'f'
             FROM weixin_account WHERE kind = 'authorizer';"
    );
    let mut child = std::process::Command::new("sqlite3")
        .arg(store)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("the sqlite3 tool is needed: apt-get install sqlite3");
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), sql.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Processor time of this thread in seconds, so that other load on the machine does not count.
fn busy(work: impl FnOnce()) -> f64 {
    let now = || {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `time` is a valid timespec to write to.
        unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let before = now();
    work();
    now() - before
}

fn assert_linear(what: &str, few: f64, many: f64) {
    let ratio = many / few;
    assert!(
        ratio < MOST,
        "{what}: {MANY} accounts take {ratio:.1} times as long as {FEW} ({many:.3} s, {few:.3} s)"
    );
}

#[test]
fn a_scan_of_all_accounts_takes_time_linear_in_their_number() {
    let world = World::with_account(json!({}));
    let stores = [FEW, MANY].map(|accounts| store_of(&world, accounts));
    let [few, many] = &stores;

    let report = |store: &Store| -> Report { store.report().unwrap() };
    assert_eq!(report(many).accounts.len() as i64, MANY + 1);
    let json = |store: &Store| busy(|| drop(report(store).to_json().unwrap()));
    assert_linear("the report", json(few), json(many));

    // Status and the metrics look up the parent of each account in the report.
    let parents = |store: &Store| {
        let report = report(store);
        busy(|| {
            for account in &report.accounts {
                let parent = account.parent.as_deref();
                assert!(parent.is_none_or(|parent| report.account(parent).is_some()));
            }
        })
    };
    assert_linear("the parents", parents(few), parents(many));

    let pass = |store: &Store| {
        let mut keeper = store.keeper(Arc::new(|_: &KeeperEvent| ())).unwrap();
        keeper.pass().unwrap();
        let busy = busy(|| _ = keeper.pass().unwrap());
        keeper.end();
        busy
    };
    assert_linear("a keeper's pass", pass(few), pass(many));

    // Any reader may leave such messages. Each costs a lookup of one name.
    let mail = |store: &Store| {
        const MESSAGES: usize = 200;
        let mut keeper = store.keeper(Arc::new(|_: &KeeperEvent| ())).unwrap();
        keeper.pass().unwrap();
        let mailbox = store.place().files.unwrap().mailbox;
        let mut mailbox = std::fs::File::options().write(true).open(mailbox).unwrap();
        for i in 0..MESSAGES {
            let message = format!("{{\"reject\":\"unknown-{i}\",\"fingerprint\":\"0\"}}\n");
            std::io::Write::write_all(&mut mailbox, message.as_bytes()).unwrap();
        }
        let busy = busy(|| assert!(keeper.read_mail()));
        keeper.end();
        busy
    };
    let (mail_of_few, mail_of_many) = (mail(few), mail(many));
    assert!(
        mail_of_many < mail_of_few * 5.0,
        "mail of unknown names costs {mail_of_many:.3} s instead of {mail_of_few:.3} s"
    );

    let unknown = |store: &Store| {
        busy(|| {
            for i in 0..20 {
                assert!(store.get(Some(&format!("unknown-{i}"))).is_err());
            }
        })
    };
    let (few, many) = (unknown(few), unknown(many));
    assert!(
        many < few * 5.0,
        "an unknown name costs {many:.3} s instead of {few:.3} s"
    );
}
