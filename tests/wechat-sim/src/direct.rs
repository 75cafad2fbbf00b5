//! The control API as methods, for a test that runs the simulator in its own process.

use std::{io, path::Path};

use serde_json::{Value, json};

use crate::{
    account::AccountSpec,
    control::{self, Revocation, Which},
    counters::{Counters, IdCounters},
    faults::Fault,
    http::Request,
    simulator::Simulator,
};

impl Simulator {
    /// The base URL without TLS.
    pub fn http(&self) -> &str {
        &self.endpoints().http
    }

    /// The base URL with TLS, certified by the authority of `ca_file`.
    pub fn https(&self) -> &str {
        &self.endpoints().https
    }

    /// The base URL of the control API.
    pub fn control_url(&self) -> &str {
        &self.endpoints().control
    }

    /// The URL of the CONNECT proxy.
    pub fn proxy(&self) -> &str {
        &self.endpoints().proxy
    }

    /// The test certificate authority, as PEM.
    pub fn ca_file(&self) -> &Path {
        &self.endpoints().ca_file
    }

    /// The URL of the bad TLS listener of that name: `wrong_host`, `expired`, `not_yet_valid`, `self_signed` or
    /// `unknown_ca`.
    pub fn bad_tls(&self, name: &str) -> Option<&str> {
        self.endpoints().bad_tls.get(name).map(String::as_str)
    }

    /// Calls `GET /counters`.
    pub fn counters(&self) -> Counters {
        let world = self.world.lock();
        world.tally.snapshot(&world.flights)
    }

    /// Calls `GET /counters?id=`.
    pub fn counters_of(&self, id: &str) -> IdCounters {
        let world = self.world.lock();
        world.tally.of(id, &world.flights)
    }

    /// Calls `POST /reset`.
    pub fn reset(&self) {
        self.world.lock().reset();
    }

    /// Calls `POST /accounts`.
    pub fn add_account(&self, spec: AccountSpec) {
        self.world.lock().add_account(spec);
    }

    /// Calls `POST /revoke` for the current tokens of an id. `revoke_with` does more.
    pub fn revoke(&self, id: &str) -> bool {
        self.revoke_with(&Revocation {
            id: id.into(),
            secret: None,
            which: Which::Current,
            kind: None,
            sticky: false,
        })
    }

    /// Calls `POST /revoke`. Returns false if the account does not exist.
    pub fn revoke_with(&self, order: &Revocation) -> bool {
        control::revoke(&mut self.world.lock(), order, None) > 0
    }

    /// Calls `POST /advance` for all accounts.
    pub fn advance(&self, ms: u64) {
        control::advance(&mut self.world.lock(), None, ms);
    }

    /// Calls `POST /advance` for one id. Returns false if the id does not exist.
    pub fn advance_id(&self, id: &str, ms: u64) -> bool {
        control::advance(&mut self.world.lock(), Some(id), ms)
    }

    /// Calls `POST /faults`.
    pub fn fault(&self, fault: Fault) {
        self.world.lock().faults.push(fault);
    }

    /// Calls `POST /faults` with JSON.
    pub fn fault_json(&self, fault: Value) -> io::Result<()> {
        let fault = Fault::from_json(fault)
            .map_err(|message| io::Error::new(io::ErrorKind::InvalidInput, message))?;
        self.fault(fault);
        Ok(())
    }

    /// Calls `POST /faults/clear`.
    pub fn clear_faults(&self) {
        self.world.lock().faults.clear();
    }

    /// The number of scripted faults that still wait for a request.
    pub fn faults_waiting(&self) -> usize {
        self.world.lock().faults.waiting()
    }

    /// Calls `POST /switches`.
    pub fn switches(&self, changes: Value) -> io::Result<()> {
        let mut world = self.world.lock();
        world.switches = control::merged(&world.switches, changes)
            .map_err(|message| io::Error::new(io::ErrorKind::InvalidInput, message))?;
        Ok(())
    }

    /// Calls `GET /tokens`.
    pub fn tokens(&self, id: Option<&str>) -> Value {
        control::tokens(&self.world.lock(), id)
    }

    /// Calls `GET /requests`.
    pub fn requests(&self, id: Option<&str>) -> Value {
        json!(self.world.lock().journal.of(id))
    }

    /// Calls `POST /push` for a ticket that counts as pushed `age_ms` ago. Returns the ticket and the XML.
    pub fn push(&self, id: &str, age_ms: u64) -> io::Result<(String, String)> {
        let pushed = self.post("/push", json!({"id": id, "age_ms": age_ms}))?;
        Ok((text(&pushed["ticket"]), text(&pushed["xml"])))
    }

    /// Calls `POST /deauthorize`. Returns the XML. Without a parent it takes the first account of that id that has one.
    pub fn deauthorize(&self, id: &str, parent: Option<&str>) -> io::Result<String> {
        let reply = self.post("/deauthorize", json!({"id": id, "parent": parent}))?;
        Ok(text(&reply["xml"]))
    }

    /// Calls `POST /authorize`. Returns the new refresh token or permanent code, and the XML.
    pub fn authorize(&self, id: &str, parent: Option<&str>) -> io::Result<(String, String)> {
        let reply = self.post("/authorize", json!({"id": id, "parent": parent}))?;
        let secret = reply
            .get("refresh_token")
            .unwrap_or(&reply["permanent_code"]);
        Ok((text(secret), text(&reply["xml"])))
    }

    /// Calls `POST /js_config`. Returns `Err` with the page's words if it refuses the signature.
    pub fn js_config(&self, config: Value) -> io::Result<Result<(), String>> {
        let verdict = self.post("/js_config", config)?;
        Ok(match verdict["ok"] == true {
            true => Ok(()),
            false => Err(text(&verdict["why"])),
        })
    }

    /// Sends any POST of the control API as JSON. An error has the API's words.
    pub fn post(&self, path: &str, body: Value) -> io::Result<Value> {
        let request = Request {
            method: "POST".into(),
            path: path.into(),
            body: body.to_string().into(),
            ..Request::default()
        };
        control::handle(&mut self.world.lock(), &request)
            .map_err(|(_, message)| io::Error::new(io::ErrorKind::InvalidInput, message))
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
