//! The page inside WeChat: whether it would accept the signature of a `wx.config` or `wx.agentConfig`.

use serde::Deserialize;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use crate::{kinds::TokenKind, world::World};

/// The body of `POST /js_config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsConfig {
    /// The appid or corpid.
    appid: String,
    url: String,
    noncestr: String,
    /// A number, or its text.
    timestamp: Value,
    signature: String,
    /// Whether the signature is for `wx.agentConfig`.
    #[serde(default)]
    agent: bool,
}

/// Compares the signature with every valid ticket of the id.
pub fn judge(world: &mut World, config: &JsConfig) -> Value {
    let now = world.now();
    let is_kind = |kind: TokenKind| match config.agent {
        true => kind == TokenKind::WorkAgentTicket,
        false => matches!(kind, TokenKind::JsapiTicket | TokenKind::WorkJsapiTicket),
    };
    let mut tickets = Vec::new();
    for account in world.of_id(&config.appid) {
        let now = now + account.advanced_ms;
        let slots = account.slots.iter().filter(|(kind, _)| is_kind(**kind));
        let valid = slots
            .flat_map(|(_, slots)| slots.iter())
            .filter(|(_, ticket)| ticket.left(now) > 0);
        tickets.extend(valid.map(|(_, ticket)| ticket.value.clone()));
    }
    if tickets.is_empty() {
        return json!({"ok": false, "why": "no valid ticket"});
    }
    match tickets
        .iter()
        .any(|ticket| signature(ticket, config) == config.signature)
    {
        true => json!({"ok": true}),
        false => json!({"ok": false, "why": "invalid signature"}),
    }
}

/// Signs the URL as WeChat sees it, without its fragment.
fn signature(ticket: &str, config: &JsConfig) -> String {
    let JsConfig {
        noncestr,
        timestamp,
        ..
    } = config;
    let timestamp = timestamp
        .as_str()
        .map_or_else(|| timestamp.to_string(), str::to_owned);
    let url = config.url.split('#').next().unwrap_or_default();
    let signed =
        format!("jsapi_ticket={ticket}&noncestr={noncestr}&timestamp={timestamp}&url={url}");
    let digest = Sha1::digest(signed);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
