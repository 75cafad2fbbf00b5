//! The pushes of a platform to a third party's server, and the authorizations.
//!
//! Nothing is sent anywhere. Each order is answered with the XML that the third party would have received, decrypted.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{account::Account, control::Handled, kinds::Kind, tokens::random_value, world::World};

/// The body of `POST /push`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// component_appid, suite_id, or the name that DingTalk and Feishu use.
    id: String,
    /// The age of the push.
    #[serde(default)]
    age_ms: u64,
}

/// The body of `POST /deauthorize` and `POST /authorize`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authorization {
    /// The authorizer's appid or the corp's id.
    id: String,
    /// Its component or suite, if it has several.
    parent: Option<String>,
}

/// Makes a verify ticket or a suite ticket. Older ones still work.
pub fn push(world: &mut World, order: &Push) -> Handled {
    let now = world.now();
    let account = world
        .of_id(&order.id)
        .find(|account| {
            matches!(
                account.spec.kind,
                Kind::Component | Kind::Suite | Kind::DingtalkSuite | Kind::FeishuStore
            )
        })
        .ok_or((
            404,
            format!("no component, suite or store app {}", order.id),
        ))?;
    let at = unix_now().saturating_sub(order.age_ms / 1000);
    let (ticket, xml) = match account.spec.kind {
        Kind::Component => {
            let ticket = format!("ticket@@@{}", random_value(82));
            let last = field("ComponentVerifyTicket", &ticket);
            let xml = component_xml(&order.id, at, "component_verify_ticket", &last);
            (ticket, xml)
        }
        // DingTalk and Feishu push JSON.
        Kind::DingtalkSuite => {
            let ticket = random_value(64);
            let event = json!({"EventType": "suite_ticket", "SuiteKey": order.id,
                "SuiteTicket": ticket, "TimeStamp": (at * 1000).to_string()});
            (ticket, event.to_string())
        }
        Kind::FeishuStore => {
            let ticket = random_value(64);
            let event = json!({"type": "app_ticket", "app_id": order.id, "app_ticket": ticket});
            let whole = json!({"ts": at.to_string(), "type": "event_callback", "event": event});
            (ticket, whole.to_string())
        }
        _ => {
            let ticket = random_value(64);
            let last = text_field("SuiteTicket", &ticket);
            let xml = suite_xml(&order.id, at, "suite_ticket", &last);
            (ticket, xml)
        }
    };
    account.push(ticket.clone(), now, order.age_ms);
    Ok(json!({"ticket": ticket, "xml": xml}))
}

/// Ends an authorization: its tokens die, and its parent can fetch no more.
pub fn deauthorize(world: &mut World, order: &Authorization) -> Handled {
    let account = child(world, order)?;
    account.authorized = false;
    for slots in account.slots.values_mut() {
        slots.revoke(true, false);
    }
    Ok(json!({"xml": event_xml(account, "unauthorized", "cancel_auth", "")}))
}

/// Authorizes again, with a new refresh token or permanent code. The old tokens and codes stay dead.
pub fn authorize(world: &mut World, order: &Authorization) -> Handled {
    let account = child(world, order)?;
    account.authorized = true;
    let kind = account.spec.kind;
    account.spec.secret = kind.made_up_secret();
    let code = match kind {
        Kind::Authorizer => {
            field(
                "AuthorizationCode",
                &format!("queryauthcode@@@{}", random_value(43)),
            ) + &field(
                "AuthorizationCodeExpiredTime",
                &(unix_now() + 3600).to_string(),
            )
        }
        _ => text_field("AuthCode", &random_value(43)),
    };
    let xml = event_xml(account, "authorized", "create_auth", &code);
    let mut reply = json!({"xml": xml});
    reply[kind.made_up_name()] = json!(account.spec.secret);
    Ok(reply)
}

fn child<'a>(
    world: &'a mut World,
    order: &Authorization,
) -> Result<&'a mut Account, (u16, String)> {
    let is_parent =
        |account: &Account| order.parent.is_none() || account.spec.parent == order.parent;
    world
        .of_id(&order.id)
        .find(|account| {
            matches!(account.spec.kind, Kind::Authorizer | Kind::WorkAuthorized)
                && is_parent(account)
        })
        .ok_or((404, "no such authorizer or work_authorized".into()))
}

fn event_xml(account: &Account, component_event: &str, suite_event: &str, more: &str) -> String {
    let (id, at) = (&account.spec.id, unix_now());
    let parent = account.spec.parent.as_deref().unwrap_or_default();
    match account.spec.kind {
        Kind::Authorizer => {
            let rest = field("AuthorizerAppid", id) + more;
            component_xml(parent, at, component_event, &rest)
        }
        _ if suite_event == "create_auth" => suite_xml(parent, at, suite_event, more),
        _ => suite_xml(parent, at, suite_event, &text_field("AuthCorpId", id)),
    }
}

/// The form of pushes that the open platform documents: no CDATA.
fn component_xml(appid: &str, at: u64, event: &str, rest: &str) -> String {
    let head = field("AppId", appid) + &field("CreateTime", &at.to_string());
    format!("<xml>{head}{}{rest}</xml>", field("InfoType", event))
}

/// The form of pushes that WeCom documents: CDATA around everything but numbers.
fn suite_xml(suite_id: &str, at: u64, event: &str, rest: &str) -> String {
    let head = text_field("SuiteId", suite_id) + &text_field("InfoType", event);
    format!(
        "<xml>{head}{}{rest}</xml>",
        field("TimeStamp", &at.to_string())
    )
}

fn field(name: &str, value: &str) -> String {
    format!("<{name}>{value}</{name}>")
}

fn text_field(name: &str, value: &str) -> String {
    format!("<{name}><![CDATA[{value}]]></{name}>")
}

fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// The fields that the reply of `POST /accounts` adds for an account whose secret may have been made up.
pub fn made_up(account: &Account) -> Value {
    let mut reply = json!({"ok": true});
    let kind = account.spec.kind;
    if kind.needs_parent() {
        reply[kind.made_up_name()] = json!(account.spec.secret);
    }
    reply
}
