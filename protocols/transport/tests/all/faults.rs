//! Every fault that the mock server knows, against a plain conversation in lines.

use std::sync::Arc;

use proto_mock::FAULTS;
use proto_transport::{Connector, Error, Result, Security};

use crate::kit::{connector, echo, endpoint, start, SHORT};

/// The values that the faults are tried with.
fn instances(usage: &str) -> Vec<String> {
    if let Some(name) = usage.strip_suffix("=N") {
        // Before anything, in the first line, between two lines, in the second line.
        return [0, 3, 11, 14]
            .map(|count| format!("{name}={count}"))
            .to_vec();
    }
    if let Some(name) = usage.strip_suffix("[=TIME]") {
        return vec![format!("{name}=1ms"), format!("{name}=60s")];
    }
    vec![usage.replace("=TEXT", "=+OK evil\\r\\n")]
}

/// One conversation: lines are heard and said in turns, inside TLS after STARTTLS.
fn converse(connector: &Connector, port: u16, security: Security) -> Result<()> {
    let mut connection = connector.connect(&endpoint("127.0.0.1", port, security))?;
    let greeting = connection.read_line()?;
    if security == Security::StartTls {
        connection.write_line("STLS")?;
        connection.read_line()?;
        connection.start_tls()?;
    } else if greeting != b"+OK ready" {
        return Err(connection.malformed("this greets with +OK", b""));
    }
    for line in ["hello", "again"] {
        connection.write_line(line)?;
        assert_eq!(connection.read_line()?, line.as_bytes());
    }
    connection.write_line("QUIT")?;
    assert_eq!(connection.read_line()?, b"+OK bye");
    Ok(())
}

/// A short name for how it went.
fn kind(result: Result<()>) -> &'static str {
    match result {
        Ok(()) => "fine",
        Err(Error::TimedOut { .. }) => "timed out",
        Err(Error::Closed { .. }) => "closed",
        Err(Error::Malformed { .. }) => "malformed",
        Err(Error::TooLarge { .. }) => "too large",
        Err(Error::Insecure { .. }) => "insecure",
        Err(error) => panic!("an error of the wrong kind: {error:?}"),
    }
}

/// What each fault must come to.
fn expected(security: Security, fault: &str) -> &'static str {
    let (name, value) = fault.split_once('=').unwrap_or((fault, ""));
    match (name, value) {
        ("cut" | "cut-reset" | "reset", _) => "closed",
        // Garbage has line feeds, so before STARTTLS some of it is left behind the reply.
        ("garbage", _) if security == Security::StartTls => "insecure",
        ("garbage", _) => "malformed",
        ("endless-line", _) => "too large",
        ("inject", _) if security == Security::StartTls => "insecure",
        ("silence" | "deaf", _) | ("drip" | "delay", "60s") => "timed out",
        _ => "fine",
    }
}

/// Tries every fault and every value.
fn try_all(security: Security) {
    for (usage, _) in FAULTS {
        for fault in instances(usage) {
            let expected = expected(security, &fault);
            let server = start(security, "localhost", &[&fault], Arc::new(echo));
            let mut connector = connector();
            if expected == "timed out" {
                connector.timeouts.connect = SHORT;
                connector.timeouts.silence = SHORT;
            }
            let outcome = kind(converse(&connector, server.port(), security));
            assert_eq!(outcome, expected, "{security:?} with {fault}");
        }
    }
}

#[test]
fn every_fault_in_the_clear_ends_in_the_error_that_names_it() {
    try_all(Security::Plain);
}

#[test]
fn every_fault_under_tls_ends_in_the_error_that_names_it() {
    try_all(Security::Tls);
}

#[test]
fn every_fault_around_start_tls_ends_in_the_error_that_names_it() {
    try_all(Security::StartTls);
}
