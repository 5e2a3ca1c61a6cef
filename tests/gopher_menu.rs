//! `proto gopher-menu`: menus as rows, and what their items lead to.

use proto_mock::gopher::GopherServer;
use proto_mock::Options;
use serde_json::Value;

use crate::gopher_get::{showing, Gopher};
use crate::harness::{authority, folder, names, proto, proto_in, tls};

#[test]
fn rows_for_people() {
    let map = b"Welcome\nA text\tno\n0First\ta.txt\n1Menu\t/sub\telsewhere.example\t70\n";
    let (gopher, _root) = showing(&[("gophermap", map), ("a.txt", b"x\r\n")]);
    let run = proto(&["gopher-menu", &gopher.url("")]).exits(0);
    let text = run.text();
    let rows: Vec<&str> = text.lines().collect();
    assert_eq!(rows[0], "                    Welcome");
    assert!(
        rows.contains(&"    2  menu         Menu") || rows.contains(&"    3  menu         Menu")
    );
    assert_eq!(gopher.gopher.violations(), [""; 0]);
}

#[test]
fn rows_for_programs() {
    let gopher = Gopher::flawed(&[]);
    let run = proto(&["gopher-menu", &gopher.url("1/mock/"), "--json"]).exits(0);
    let rows: Vec<Value> = run
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows[0]["kind"], "info");
    assert_eq!(rows[0]["number"], Value::Null);
    assert_eq!(rows[1]["number"], 1);
    assert_eq!(rows[1]["kind"], "text");
    assert_eq!(rows[1]["type"], "0");
    assert_eq!(rows[1]["selector"], "/mock/text");
    let url = rows[1]["url"].as_str().unwrap();
    assert!(url.ends_with("/0/mock/text"), "{url}");
    assert_eq!(rows[8]["url"], "https://example.org/");
}

#[test]
fn lines_that_are_no_items_are_rows_too() {
    let gopher = Gopher::flawed(&["malformed-lines"]);
    let run = proto(&["gopher-menu", &gopher.url("1/mock/"), "--json"]).exits(0);
    assert!(run.text().contains(r#""kind":"malformed""#));
    assert!(run.text().contains("/mock/text"));
}

#[test]
fn items_are_followed() {
    let gopher = Gopher::flawed(&[]);
    let url = gopher.url("1/mock/");
    let run = proto(&["gopher-menu", &url, "--follow", "1"]).exits(0);
    let direct = proto(&["gopher-get", &gopher.url("0/mock/text")]).exits(0);
    assert_eq!(run.stdout, direct.stdout);
    // A menu behind a menu is shown, and one of its items fetched.
    let run = proto(&["gopher-menu", &url, "--follow", "3"]).exits(0);
    let direct = proto(&["gopher-menu", &gopher.url("1/mock/types")]).exits(0);
    assert_eq!(run.stdout, direct.stdout);
    let place = folder();
    let options = ["gopher-menu", &url, "--follow", "6", "-o", "a"];
    proto_in(place.path(), &options).exits(0);
    assert_eq!(names(place.path()), ["a"]);
    let run = proto(&["gopher-menu", &url, "--follow", "4", "--search", "text"]).exits(0);
    assert!(run.text().contains("text"), "{}", run.text());
    assert!(gopher.heard().contains(&r"/mock/search\ttext".to_owned()));
}

#[test]
fn what_cannot_be_followed() {
    let gopher = Gopher::flawed(&[]);
    let url = gopher.url("1/mock/");
    for (number, code, says) in [
        ("99", 69, "8 items"),
        ("8", 64, "https://example.org/"),
        ("7", 69, "/mock/none"),
        ("4", 64, "--search"),
    ] {
        proto(&["gopher-menu", &url, "--follow", number])
            .exits(code)
            .says(says);
    }
    proto(&["gopher-menu", &url, "--follow", "0"]).exits(64);
    proto(&["gopher-menu", &url, "--search", "x"]).exits(64);
    proto(&["gopher-menu", &gopher.url("0/a")]).exits(64);
    proto(&["gopher-menu", &url, "-o", "a"]).exits(64);
}

#[test]
fn tls_stays_tls() {
    let gopher = Gopher::with(GopherServer::default(), tls());
    let url = gopher.url("1/mock/");
    let ca = authority();
    let run = proto(&["gopher-menu", &url, "--ca", &ca, "--json"]).exits(0);
    assert!(run.text().contains("gophers://"), "{}", run.text());
    proto(&["gopher-menu", &url, "--ca", &ca, "--follow", "1"]).exits(0);
}

#[test]
fn foreign_items_are_shown_and_not_asked_for() {
    let gopher = Gopher::flawed(&["foreign-items=127.0.0.1:1"]);
    let url = gopher.url("1/mock/");
    proto(&["gopher-menu", &url]).exits(0);
    proto(&["gopher-menu", &url, "--follow", "1"]).exits(69);
    assert_eq!(gopher.heard().len(), 2);
}

#[test]
fn a_refusal_is_an_error() {
    let gopher = Gopher::flawed(&[]);
    proto(&["gopher-menu", &gopher.url("1/none")]).exits(69);
    let mut plus = GopherServer::default();
    plus.plus = true;
    let gopher = Gopher::with(plus, Options::default());
    proto(&["gopher-menu", &gopher.url("1/mock/%09%09+")]).exits(0);
    proto(&["gopher-menu", &gopher.url("1/none%09%09+")]).exits(69);
}
