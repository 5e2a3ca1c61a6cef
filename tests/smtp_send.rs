//! `proto smtp-send`: what arrives, what is told of it, and how it ends.

use serde_json::Value;

use crate::harness::{command, folder, mta, proto, sample, Mail, Run};

mod connections;
mod content;
mod envelope;
mod extensions;
mod failures;
mod login;
mod results;
mod sources;
mod stages;

/// Sends `plain.eml` to one recipient, with more options.
fn send(mail: &Mail, options: &[&str]) -> Run {
    send_message(mail, &sample("plain.eml"), options)
}

/// The same with another message.
fn send_message(mail: &Mail, message: &str, options: &[&str]) -> Run {
    let url = mail.url();
    let mut arguments = vec!["smtp-send", &url, "--message", message];
    if !options.contains(&"--recipients-from-headers") {
        arguments.extend(["--from", "a@example.org", "--to", "b@example.org"]);
    }
    arguments.extend_from_slice(options);
    proto(&arguments)
}

/// Composes and sends a message to one recipient.
fn compose(mail: &Mail, options: &[&str]) -> Run {
    let url = mail.url();
    let mut arguments = vec!["smtp-send", &url, "--from", "a@example.org"];
    if !options.contains(&"--to") {
        arguments.extend(["--to", "b@example.org"]);
    }
    arguments.extend_from_slice(options);
    proto(&arguments)
}

/// The row of one recipient.
fn row(result: &str, recipient: &str, told: &str) -> String {
    format!("{result}  {recipient}  {told}\n")
}

/// The rows of a run, with two spaces between their columns, however wide those are.
fn rows(run: &Run) -> String {
    let mut text = String::new();
    for line in run.text().lines() {
        let columns: Vec<&str> = line.split("  ").filter(|part| !part.is_empty()).collect();
        let columns: Vec<&str> = columns.iter().map(|column| column.trim()).collect();
        text.push_str(&format!("{}\n", columns.join("  ")));
    }
    text
}

/// The record that a run wrote to `report`.
fn report(folder: &tempfile::TempDir) -> Value {
    let text = std::fs::read_to_string(folder.path().join("report")).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// The names in an object, sorted.
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}
