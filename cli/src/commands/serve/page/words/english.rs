//! The page in English.

use super::Words;
use crate::ui::plural::count;
use crate::ui::time::span;

pub static WORDS: Words = Words {
    tag: "en",
    own_name: "English",
    title: "WeChat access tokens",
    skip: "Skip to the accounts",
    signed_in_as: "Signed in as",
    sign_out: "Sign out",
    colon: ": ",
    as_of: "As of",
    reload: "Reload",
    stale: "The server does not answer. The page shows the state at the time above.",

    sign_in: "Sign in",
    sign_in_lead: "This page shows the state of this server’s tokens. It shows no token and changes nothing.",
    key: "Client key",
    key_help: "The client needs the right `status`. On the server, `wxtoken client add NAME --allow status` makes one and prints its key.",
    wrong_key: "The server does not know this key.",
    too_many_wrong_keys: "Too many wrong keys have come from this address. Try again in a few seconds.",
    may_not: "This client may not see the status. On the server, `wxtoken client change NAME --allow …,status` allows it.",
    too_many_calls: "This client makes more calls than it may. Try again in a moment.",
    sent_from_elsewhere: "The form was not sent from this page. Send it from here.",
    forwarded: "A proxy speaks for another here, and is not trusted. Start the server with `--trusted-proxy`.",
    session_over: "The session has ended. Sign in again.",
    busy: "The server is busy. Try again in a moment.",
    store_unusable: "The server cannot use its store. Its log says why.",

    all_valid: "Every account has a valid token",
    all_valid_but: |troubled| {
        let needs = if troubled == 1 { "needs" } else { "need" };
        format!("Every account has a valid token; {troubled} {needs} attention")
    },
    without_token: |without, all| {
        let have = if without == 1 { "has" } else { "have" };
        format!(
            "{without} of {} {have} no valid token",
            count(all, "account")
        )
    },
    no_account: "There is no account yet",
    no_account_help: "Add one on the server: `wxtoken account add NAME --kind KIND --id ID`",
    sees_no_account: "This client sees no account",

    to_do: "What to do",
    no_valid_token: "no valid token",
    still_valid: "needs attention",
    failed: "The last fetch failed",
    failed_times: |times| format!("The last {times} fetches failed"),
    next_try_in: |span| format!("The next try is in {span}."),
    next_get_tries: "The next get tries again.",
    remedy: "To do",
    contested: "Its tokens keep ending long before they expire",
    falsely_rejected: |span, times| {
        format!(
            "A client rejected its token {span} ago, and the platform takes it. There were {} so far.",
            count(times, "false rejection")
        )
    },
    needs_parent: "It needs its parent",
    parent_gone: |parent| format!("Its parent “{parent}” is gone"),
    needs_field: |field| format!("It needs its {field}"),
    field_too_old: |field| format!("Its {field} is too old"),
    unknown_kind: |kind| {
        format!("Kind “{kind}” is not known to this version. Upgrade wxtoken on the server.")
    },

    accounts: "Accounts",
    account: "Account",
    life_left: "Life left",
    share_left: |percent| format!("{percent}% of its life is left"),
    fetched: "Fetched",
    fetched_by: "By",
    current: "current",
    comes_from: |store| format!("from {store}"),
    is_due: "refresh due",
    rejected: "rejected",
    expired: |span| format!("expired {span} ago"),
    ended: "no longer valid",
    waiting: "waiting",
    no_token: "no token",
    not_fetched: "not fetched yet",
    see_why: "why",

    clients: "Clients",
    sees_itself: "This client does not see all accounts, so it sees no other client.",
    client: "Client",
    may_see: "Sees",
    all_accounts: "all accounts",
    and_more: |more| format!("and {more} more"),
    may_do: "May",
    last_call: "Last call",
    no_call: "none since the start",
    answered: "Answered",
    unanswered: "Refused or failed",

    server: "Server",
    version: "Version",
    running_for: "Running for",
    keeper: "Keeper",
    keeper_runs: "running",
    keeper_does_not_run: "not running",
    keeper_unknown: "unknown: its mailbox is closed to this user",
    store: "Store",
    store_server: "The store’s server",
    clock_step: "Last step of its clock",
    clock_stepped: |by_ms, span| format!("by {by_ms} ms, {span} ago"),
    answers_in: |role, ms| format!("{role}, answers in {ms:.1} ms"),
    role_unknown: "of unknown role",
    calls: "Calls since the start",
    calls_counted: |answered, refused, failed| {
        format!("{answered} answered, {refused} refused, {failed} failed")
    },
    away: "The store’s server is away. This is the state that was last seen",
    degraded: "Tokens are kept in this server’s memory only",
    reader: "No token can be fetched from here",
    not_trusted: "The store is not trusted",

    ago: |span| format!("{span} ago"),
    span,
};
