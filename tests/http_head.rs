//! `proto http-head`: the head alone.

use serde_json::Value;

use crate::harness::{proto, Web};

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
