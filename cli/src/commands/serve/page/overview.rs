//! The facts that the page shows about the accounts and clients that a caller sees.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use wxtoken::tool::{AccountReport, ClientSet, Report, ServerClient, TokenReport};

use super::super::activity::Calls;
use super::super::admission::Caller;
use super::super::audit::seconds;
use super::super::server::Server;
use crate::standing::{Life, Tone, Trouble, troubles_of};

pub struct Overview {
    /// The client that views the page.
    pub caller: String,
    /// The report. None while the store cannot be read.
    pub report: Option<Report>,
    pub clients: Vec<ClientLine>,
    /// Whether the list has all clients.
    pub sees_all: bool,
    pub now: i64,
    pub running_s: i64,
    /// The numbers of calls that were answered, were refused, and failed.
    pub calls: [u64; 3],
}

pub struct ClientLine {
    pub name: String,
    pub client: ServerClient,
    pub calls: Calls,
}

/// One credential of an account.
pub struct Line<'a> {
    pub account: &'a AccountReport,
    /// The position of the account among all accounts.
    pub number: usize,
    pub token: &'a TokenReport,
    /// The position of the credential among those of its account.
    pub place: usize,
    pub life: Life,
    pub troubles: Vec<Trouble<'a>>,
}

/// The state of all accounts together.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary {
    pub accounts: usize,
    pub without_token: usize,
    /// Accounts with troubles, among those that have a token or do not need one now.
    pub troubled: usize,
    pub tone: Tone,
}

impl Overview {
    pub fn of(
        server: &Arc<Server>,
        clients: &ClientSet,
        caller: &Caller,
        report: Option<Report>,
    ) -> Overview {
        let sees_all = caller.client.accounts.is_none();
        let is_seen = |name: &str| sees_all || name == caller.name;
        let clients = clients.all().filter(|(name, _)| is_seen(name));
        let clients = clients.map(|(name, client)| ClientLine {
            name: name.to_owned(),
            client: client.clone(),
            calls: server.activity.of(name),
        });
        let counts = &server.counts;
        let now = seconds();
        Overview {
            caller: caller.name.clone(),
            report: report.map(|report| seen_by(&caller.client, report)),
            clients: clients.collect(),
            sees_all,
            now,
            running_s: now - server.started_at,
            calls: [&counts.served, &counts.refused, &counts.failed]
                .map(|count| count.load(Ordering::Relaxed)),
        }
    }
}

/// The accounts in a report that a client sees. Each has a token, even if that was never fetched.
fn seen_by(client: &ServerClient, mut report: Report) -> Report {
    report.accounts.retain(|account| client.sees(&account.name));
    report
        .unknown_accounts
        .retain(|account| client.sees(&account.name));
    for account in &mut report.accounts {
        if !account.tokens.iter().any(TokenReport::is_access_token) {
            account
                .tokens
                .insert(0, TokenReport::absent("access_token"));
        }
    }
    report
}

/// Every credential, account by account.
pub fn lines(report: &Report) -> Vec<Line<'_>> {
    let accounts = report.accounts.iter().enumerate();
    let lines = accounts.flat_map(|(number, account)| {
        account
            .tokens
            .iter()
            .enumerate()
            .map(move |(place, token)| {
                let troubles = troubles_of(report, account, token);
                let lacks = troubles.iter().any(|one| matches!(one, Trouble::Lacks(_)));
                Line {
                    account,
                    number,
                    token,
                    place,
                    life: Life::of(token, report.now, lacks),
                    troubles,
                }
            })
    });
    lines.collect()
}

impl Line<'_> {
    /// The worse of the tones of its life and its troubles.
    pub fn tone(&self) -> Tone {
        let troubles = self.troubles.iter().map(Trouble::tone);
        troubles.fold(self.life.tone(), Tone::max)
    }

    /// The host that issued the token, if the account has several tokens with one name.
    pub fn host(&self) -> Option<&str> {
        let same = |other: &&TokenReport| other.credential == self.token.credential;
        let are_several = self.account.tokens.iter().filter(same).count() > 1;
        let host = self.token.base_url.split("://").last();
        host.filter(|_| are_several)
    }
}

pub fn summary(report: &Report, lines: &[Line]) -> Summary {
    let mut summary = Summary {
        accounts: report.size(),
        without_token: report.unknown_accounts.len(),
        troubled: 0,
        tone: Tone::Good,
    };
    for of_account in lines.chunk_by(|a, b| a.number == b.number) {
        let mut own = of_account
            .iter()
            .filter(|line| line.token.is_access_token());
        if !own.any(|line| line.token.is_valid()) {
            summary.without_token += 1;
        } else if of_account.iter().any(|line| !line.troubles.is_empty()) {
            summary.troubled += 1;
        }
        let worst = of_account.iter().map(Line::tone).max();
        summary.tone = summary.tone.max(worst.unwrap_or(Tone::Good));
    }
    if summary.without_token > 0 || report.away.is_some() {
        summary.tone = summary.tone.max(Tone::Warning);
    }
    summary
}
