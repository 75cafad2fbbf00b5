//! The state that all calls share: the store, the clients, the limits, the audit.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use wxtoken::tool::{AccountLookup, ClientLookup, Error, Status, Store, WechatCall, wechat_calls};

use super::activity::Activity;
use super::audit::{Audit, seconds};
use super::forward::Forwarding;
use super::handed::Handed;
use super::health::Readiness;
use super::limits::{Buckets, Strangers};
use super::owners::Owners;
use super::page::Page;
use super::problem;
use super::stand_ins::StandIns;
use super::wechat::Repeats;
use super::work::Work;
use crate::args::Serve;
use crate::commands::keep::log::Log;
use crate::ui::hint::in_one_line;

pub struct Server {
    pub work: Arc<Work>,
    pub clients: Arc<ClientLookup>,
    pub accounts: Arc<AccountLookup>,
    pub owners: Owners,
    /// Clients by the user who runs them.
    pub peers: HashMap<u32, String>,
    pub trusted_proxies: Vec<Option<IpAddr>>,
    pub rates: Buckets<String>,
    pub strangers: Strangers,
    pub audit: Audit,
    /// Limits the lines of the audit on calls that are refused unheard.
    pub unheard: Buckets<()>,
    pub handed: Handed,
    pub stand_ins: StandIns,
    pub repeats: Repeats,
    pub activity: Activity,
    pub page: Page,
    /// The time of the start, in Unix seconds.
    pub started_at: i64,
    pub wechat_calls: Vec<WechatCall>,
    pub min_life_s: i64,
    pub counts: Counts,
    pub forwarding: Forwarding,
    pub readiness: Readiness,
    log: Log,
    /// The trouble that was last logged. Many calls meet the same one.
    told: Mutex<String>,
}

/// The calls since the start, for metrics.
#[derive(Default)]
pub struct Counts {
    pub served: AtomicU64,
    pub refused: AtomicU64,
    pub failed: AtomicU64,
}

impl Server {
    pub fn new(store: Arc<Store>, serve: &Serve, audit: Audit, log: Log) -> Server {
        let rate = f64::from(serve.rate);
        Server {
            clients: Arc::new(store.client_lookup()),
            accounts: Arc::new(store.account_lookup()),
            owners: Owners::default(),
            forwarding: Forwarding::of(store.clone(), serve),
            work: Arc::new(Work::on(store)),
            peers: serve.peer.iter().cloned().collect(),
            trusted_proxies: serve.trusted_proxy.clone(),
            rates: Buckets::new(rate, 2.0 * rate),
            strangers: Strangers::new(),
            audit,
            unheard: Buckets::new(1.0, 10.0),
            readiness: Readiness::default(),
            handed: Handed::default(),
            stand_ins: StandIns::default(),
            repeats: Repeats::default(),
            activity: Activity::default(),
            page: Page::new(),
            started_at: seconds(),
            wechat_calls: wechat_calls(),
            min_life_s: serve.min_life_s,
            counts: Counts::default(),
            log,
            told: Mutex::default(),
        }
    }

    /// Logs a failure of the store for the operator, since it names files of this host.
    pub fn note_failure(&self, error: &Error) {
        let is_hidden = matches!(error.status, Status::Store | Status::Internal)
            || problem::is_of_key_file(error);
        if is_hidden && error.retry_after_ms == 0 {
            let trouble = in_one_line(error);
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if *told != trouble {
                self.log.line(&trouble);
                *told = trouble;
            }
        }
    }
}
