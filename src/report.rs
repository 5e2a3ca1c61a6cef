//! The result of every command as one record a target: text for people, JSON for programs.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use proto_transport::escape::is_harmful;
use proto_transport::{
    Error, Facts, Refusal, Result, Unreachable, CONNECTING, HANDSHAKE, RESOLVING,
};
use serde::Serialize;
use serde_json::{json, Map, Value};

use crate::exit_code::{exit_code, OK};

/// How far a conversation came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Finding the address.
    Resolve,
    /// Reaching it.
    Connect,
    /// Securing the connection.
    Tls,
    /// Hearing who it is.
    Greeting,
    /// Proving who we are.
    Auth,
    /// Asking.
    Command,
    /// Moving data.
    Transfer,
    /// Keeping it.
    Store,
}

impl Stage {
    /// Where an error happened, when nothing but the error tells; `otherwise` for what came later.
    pub fn of(error: &Error, otherwise: Stage) -> Stage {
        match error {
            Error::Unreachable { because, .. } => match because {
                Unreachable::NoSuchHost => Stage::Resolve,
                Unreachable::NobodyAnswers => Stage::Connect,
            },
            Error::TimedOut { doing, .. } | Error::Closed { doing, .. } => match doing.as_str() {
                RESOLVING => Stage::Resolve,
                CONNECTING => Stage::Connect,
                HANDSHAKE => Stage::Tls,
                _ => otherwise,
            },
            Error::Insecure { doing, .. } if doing == HANDSHAKE => Stage::Tls,
            Error::Refused {
                refusal: Refusal::Credentials,
                ..
            } => Stage::Auth,
            Error::Io { .. } => Stage::Store,
            _ => otherwise,
        }
    }
}

/// What happened with one target.
#[derive(Debug, Serialize)]
pub struct Record {
    /// The command's name.
    pub command: &'static str,
    /// The target as it was given, without a password.
    pub target: String,
    /// Whether all went well.
    pub ok: bool,
    /// The exit status that this target alone would give.
    pub exit: u8,
    /// The last stage that was reached.
    pub stage: Stage,
    /// What went wrong.
    pub error: Option<String>,
    /// Host and port, and the address that answered.
    pub peer: Value,
    /// What TLS told, `null` without it.
    pub tls: Value,
    /// Seconds: `resolve`, `connect`, `tls`, `first_byte`, `total`.
    pub timings: Map<String, Value>,
    /// Bytes that were moved: `received` as they came, `stored` as they were kept.
    pub bytes: Map<String, Value>,
    /// What the command did, one object each.
    pub items: Vec<Value>,
}

impl Record {
    /// A record of a target that nothing has happened to yet.
    pub fn new(command: &'static str, target: impl Into<String>) -> Record {
        Record {
            command,
            target: target.into(),
            ok: false,
            exit: OK,
            stage: Stage::Resolve,
            error: None,
            peer: Value::Null,
            tls: Value::Null,
            timings: Map::new(),
            bytes: Map::new(),
            items: Vec::new(),
        }
    }

    /// Notes how the connection came to be. One that is `reused` took no time for that.
    pub fn connected(&mut self, facts: &Facts, reused: bool) {
        self.peer = json!({
            "endpoint": facts.peer,
            "address": facts.address,
            "proxy": facts.proxy,
        });
        self.tls = tls(facts);
        if reused {
            return;
        }
        self.time("resolve", facts.resolve);
        self.time("connect", facts.connect);
        if let Some(handshake) = facts.handshake {
            self.time("tls", handshake);
        }
    }

    /// Notes a time.
    pub fn time(&mut self, name: &str, time: Duration) {
        let microseconds = time.as_micros() as f64;
        self.timings
            .insert(name.to_owned(), json!(microseconds / 1e6));
    }

    /// Adds to what is said of the last thing that the command did.
    pub fn note(&mut self, name: &str, value: impl Into<Value>) {
        if let Some(Value::Object(item)) = self.items.last_mut() {
            item.insert(name.to_owned(), value.into());
        }
    }

    /// Notes how it ended.
    pub fn ended(&mut self, result: &Result<()>) {
        self.ok = result.is_ok();
        if let Err(error) = result {
            self.exit = exit_code(error);
            self.stage = Stage::of(error, self.stage);
            self.error = Some(error.to_string());
        }
    }
}

/// What TLS told; `null` without it.
pub fn tls(facts: &Facts) -> Value {
    let Some(tls) = &facts.tls else {
        return Value::Null;
    };
    let certificate = tls.certificate().map(|certificate| {
        json!({
            "subject": certificate.subject,
            "issuer": certificate.issuer,
            "names": certificate.names,
            "not_before": certificate.not_before,
            "not_after": certificate.not_after,
            "sha256": certificate.sha256,
            "key_sha256": certificate.key_sha256,
        })
    });
    json!({ "alpn": tls.alpn, "certificate": certificate })
}

/// A value as one line of JSON that is safe on a terminal: what a peer's text may hold and JSON
/// allows as it is, C1 and bidirectional controls above all, is written as `\uNNNN`.
pub fn json_line(value: &impl Serialize) -> serde_json::Result<String> {
    let text = serde_json::to_string(value)?;
    let mut line = String::with_capacity(text.len() + 1);
    // What is harmful stands only inside of strings.
    for character in text.chars() {
        match is_harmful(character) {
            true => line.push_str(&format!("\\u{:04x}", u32::from(character))),
            false => line.push(character),
        }
    }
    line.push('\n');
    Ok(line)
}

/// The file that records go to, if any.
pub struct Report {
    file: Option<Mutex<File>>,
}

impl Report {
    /// Opens the file now, so that a wrong path is told before anything is asked of a server.
    pub fn create(path: Option<&Path>) -> Result<Report> {
        let file = path.map(|path| {
            File::create(path)
                .map(Mutex::new)
                .map_err(|error| Error::io(format!("writing {}", path.display()), error))
        });
        Ok(Report {
            file: file.transpose()?,
        })
    }

    /// Adds a record.
    pub fn add(&self, record: &Record) -> Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let failed = |error| Error::io("writing the report", error);
        let line = json_line(record).map_err(|error| failed(error.into()))?;
        let mut file = file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        file.write_all(line.as_bytes()).map_err(failed)
    }
}
