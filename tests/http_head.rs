//! `proto http-head`: the head alone.

use std::fs;

use serde_json::Value;

use crate::harness::{command, folder, proto, Run, Web};

#[test]
fn the_head_is_shown_as_it_came() {
    let web = Web::serve(&[("page.html", b"hello")]);
    let run = proto(&["http-head", &web.url("/page.html")]).exits(0);
    let text = run.text();
    assert!(text.starts_with("HTTP/1.1 200 OK\n"), "{text}");
    assert!(
        text.contains("\nContent-Length: 5\n") && text.ends_with("\n\n"),
        "{text}"
    );
    assert_eq!(web.site.requests(), ["1 HEAD /page.html HTTP/1.1"]);
}

#[test]
fn rows_come_as_json() {
    let web = Web::serve(&[("page.html", b"hello")]);
    let run = proto(&[
        "http-head",
        &web.url("/page.html"),
        &web.url("/none"),
        "--json",
    ])
    .exits(69);
    let text = run.text();
    let rows: Vec<Value> = text
        .lines()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect();
    assert_eq!(
        (&rows[0]["status"], &rows[1]["status"]),
        (&200.into(), &404.into())
    );
}

#[test]
fn an_error_status_is_shown_and_is_an_error() {
    let web = Web::serve(&[]);
    let run = proto(&["http-head", &web.url("/none")])
        .exits(69)
        .says("404");
    assert!(run.text().starts_with("HTTP/1.1 404"), "{}", run.text());
}

#[test]
fn several_heads_come_over_one_connection() {
    let web = Web::serve(&[("a", b"A"), ("b", b"B")]);
    proto(&["http-head", &web.url("/a"), &web.url("/b")]).exits(0);
    assert_eq!(web.server.connections(), 1);
}

#[test]
fn what_is_no_url_stops_no_other() {
    let web = Web::serve(&[("a", b"A"), ("b", b"B")]);
    let folder = folder();
    let report = folder.path().join("report");
    let (a, b) = (web.url("/a"), web.url("/b"));
    let run = proto(&[
        "http-head",
        &a,
        "http://u:pass word@[",
        &b,
        "--report",
        report.to_str().unwrap(),
    ])
    .exits(64);
    assert_eq!(run.text().matches("HTTP/1.1 200 OK").count(), 2);
    assert_eq!(web.site.requests().len(), 2);
    let report = fs::read_to_string(report).unwrap();
    let records: Vec<Value> = report
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let exits: Vec<&Value> = records.iter().map(|record| &record["exit"]).collect();
    assert_eq!(exits, [0, 64, 0]);
    assert_eq!(records[1]["ok"], false);
    assert!(!report.contains("pass word") && !run.stderr.contains("pass word"));
}

#[test]
fn a_report_that_cannot_be_written_stops_no_other() {
    let web = Web::serve(&[("a", b"A"), ("b", b"B")]);
    let (a, b) = (web.url("/a"), web.url("/b"));
    let run = proto(&["http-head", &a, &b, "--report", "/dev/full"]).exits(74);
    assert_eq!(run.text().matches("HTTP/1.1 200 OK").count(), 2);
    run.says("report");
}

#[test]
fn of_several_tries_the_last_alone_is_shown() {
    let web = Web::serve(&[("a", b"A")]);
    let url = web.url("/mock/flaky/2/x/a");
    let text = proto(&["http-head", &url, "--retry", "2"]).exits(0).text();
    assert_eq!(text.matches("HTTP/1.1").count(), 1, "{text}");
    assert!(text.starts_with("HTTP/1.1 200 OK\n"), "{text}");
    let url = web.url("/mock/flaky/5/y/a");
    let run = proto(&["http-head", &url, "--retry", "1", "--json"]).exits(75);
    assert_eq!(run.text().lines().count(), 1, "{}", run.text());
    assert!(run.text().contains("503"));
}

#[test]
fn a_thread_that_cannot_be_had_is_an_error() {
    // No machine has so much memory for the stack of the thread that resolves.
    let mut command = command(&["http-head", "http://host.invalid/"]);
    command.env("RUST_MIN_STACK", (1_u64 << 60).to_string());
    let run = Run::from(command.output().unwrap());
    run.exits(74).says("starting a thread");
}
