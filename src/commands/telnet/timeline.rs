//! `--show-options`: who said what of the options, and when.

use std::time::Instant;

use proto_telnet::{Event, Notice, What};
use proto_transport::session::Side;
use proto_transport::Result;
use serde_json::{json, Value};

use super::Args;
use crate::rows::Rows;

/// The rows of `--show-options`.
pub(super) struct Timeline {
    rows: Rows,
    started: Instant,
}

impl Timeline {
    /// A timeline that begins now, if one is wanted.
    pub fn new(args: &Args) -> Option<Timeline> {
        args.show_options.then(|| Timeline {
            rows: Rows::new(args.json, false),
            started: Instant::now(),
        })
    }

    /// Adds what happened. Of data it says only how much there was.
    pub fn add(&mut self, event: &Event<'_>) -> Result<()> {
        let time = self.started.elapsed().as_secs_f64();
        let (side, text, mut item) = told(event);
        let who = match side {
            Side::Client => "client",
            Side::Server => "server",
        };
        if let Value::Object(item) = &mut item {
            let milliseconds = (time * 1000.0).round() / 1000.0;
            item.insert("time".to_owned(), json!(milliseconds));
            item.insert("from".to_owned(), json!(who));
        }
        let row = || format!("{time:>8.3}  {who}  {text}");
        self.rows.add(row, || item)
    }
}

fn told(event: &Event<'_>) -> (Side, String, Value) {
    match event {
        Event::Data(bytes) => (
            Side::Server,
            format!("{} bytes of data", bytes.len()),
            json!({ "kind": "data", "bytes": bytes.len() }),
        ),
        Event::Notice(Notice { from, what }) => (*from, what.to_string(), object(what)),
    }
}

fn object(what: &What) -> Value {
    match what {
        What::Negotiation(verb, code) => json!({
            "kind": "negotiation",
            "verb": verb.to_string(),
            "option": code.to_string(),
            "code": code.0,
        }),
        What::Subnegotiation(code, text) => json!({
            "kind": "subnegotiation",
            "option": code.to_string(),
            "code": code.0,
            "text": text,
        }),
        What::Command(command) => json!({
            "kind": "command",
            "command": command.to_string(),
            "code": command.0,
        }),
    }
}
