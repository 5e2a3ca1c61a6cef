//! `proto nntp-fetch`: articles into stores, each once.

mod kills;
mod rounds;

use std::fs;
use std::path::Path;

use proto_mock::Options;

use crate::harness::{command, folder, names, proto, proto_in, Run};
use crate::nntp_groups::{news, rows, News};
use crate::nntp_overview::with_articles;

const STORE: [&str; 4] = ["--eml-dir", "mail", "--state", "state"];

fn fetch(news: &News, path: &str, folder: &Path, options: &[&str]) -> Run {
    let url = news.url(path);
    let arguments = [&["nntp-fetch", url.as_str()], options].concat();
    proto_in(folder, &arguments)
}

/// Results and numbers of the rows.
fn told(run: &Run) -> Vec<String> {
    let text = run.text();
    let word = |line: &str| {
        line.split_whitespace()
            .take(2)
            .collect::<Vec<_>>()
            .join(" ")
    };
    text.lines().map(word).collect()
}

fn article(id: &str, subject: &str) -> Vec<u8> {
    format!(
        "Path: x\r\nFrom: a@b.example\r\nNewsgroups: misc.test\r\nSubject: {subject}\r\n\
         Message-ID: {id}\r\nDate: Thu, 01 Jan 2026 12:00:00 +0000\r\n\r\n.\r\n..two\r\n{subject}\r\n"
    )
    .into_bytes()
}

#[test]
fn a_group_is_fetched_once() {
    let news = News::flawed(&[]);
    let place = folder();
    let run = fetch(&news, "misc.test", place.path(), &STORE).exits(0);
    assert_eq!(run.text().lines().count(), 20);
    assert_eq!(names(&place.path().join("mail")).len(), 20);
    let run = fetch(&news, "misc.test", place.path(), &STORE).exits(0);
    assert_eq!(run.text(), "");
    assert_eq!(news.count_of("ARTICLE"), 20);
    let all = [&STORE[..], &["--all", "--limit", "3"]].concat();
    let run = fetch(&news, "misc.test", place.path(), &all).exits(0);
    assert_eq!(run.text().lines().count(), 3);
    assert_eq!(news.news.violations(), [""; 0]);
}

#[test]
fn what_is_new_comes_and_what_is_left_over_too() {
    let first = article("<1@x>", "one");
    let second = article("<2@x>", "two");
    let third = article("<3@x>", "three");
    let place = folder();
    let news = with_articles(&[&first, &second]);
    let limited = [&STORE[..], &["--limit", "1"]].concat();
    let run = fetch(&news, "misc.test", place.path(), &limited).exits(0);
    assert_eq!(told(&run), ["stored 1"]);
    // The state is named after the server; a port of another run is another server.
    let state = fs::read_to_string(place.path().join("state")).unwrap();
    let run = fetch(&news, "misc.test", place.path(), &STORE).exits(0);
    assert_eq!(told(&run), ["stored 2"]);
    assert!(state.contains("misc.test"), "{state}");
    let mail = place.path().join("mail");
    assert_eq!(names(&mail).len(), 2);
    let bytes = fs::read(mail.join(&names(&mail)[0])).unwrap();
    assert!(bytes.ends_with(b"\r\n\r\n.\r\n..two\r\none\r\n"));
    drop(third);
}

#[test]
fn numbers_that_changed_do_not_hide_articles() {
    let (one, two, three) = (
        article("<1@x>", "one"),
        article("<2@x>", "two"),
        article("<3@x>", "three"),
    );
    let place = folder();
    let before = with_articles(&[&one, &two]);
    fetch(&before, "misc.test", place.path(), &STORE).exits(0);
    // The same server, made anew: other numbers, and one article more.
    let after = with_articles(&[&three, &one, &two]);
    let state = fs::read_to_string(place.path().join("state")).unwrap();
    let (old, new) = (before.url(""), after.url(""));
    let port = |url: &str| {
        url.rsplit(':')
            .next()
            .unwrap()
            .trim_end_matches('/')
            .to_owned()
    };
    let connect = format!("localhost:{}", port(&new));
    let url = before.url("misc.test");
    let options = ["--connect-to", connect.as_str()];
    let again = [&["nntp-fetch", url.as_str()], &STORE[..], &options].concat();
    let run = proto_in(place.path(), &again).exits(0);
    assert_eq!(told(&run), ["stored 1"]);
    assert!(state.contains(&port(&old)));
    assert_eq!(after.count_of("HDR Message-ID"), 1);
    let run = proto_in(place.path(), &again).exits(0);
    assert_eq!(run.text(), "");
    assert_eq!(after.count_of("HDR Message-ID"), 1);
    assert_eq!(after.count_of("ARTICLE"), 1);
}

#[test]
fn articles_are_chosen_by_number_and_message_id() {
    let one = article("<1@x>", "one");
    let news = with_articles(&[&one, &article("<2@x>", "two")]);
    let place = folder();
    let run = fetch(&news, "misc.test/1", place.path(), &[]).exits(0);
    assert_eq!(run.stdout.len(), run.text().len());
    assert!(run.text().ends_with("\r\n.\r\n..two\r\none\r\n"));
    let run = fetch(&news, "2@x", place.path(), &[]).exits(0);
    assert!(run.text().ends_with("two\r\n"));
    for (path, arguments, wanted) in [
        ("misc.test", &["1,2"][..], &["stored 1", "stored 2"][..]),
        ("misc.test", &["2-"], &["stored 2"]),
        ("", &["<2@x>", "<1@x>"], &["stored 0", "stored 0"]),
        ("", &["1@x"], &["stored 0"]),
    ] {
        let options = [arguments, &STORE[..]].concat();
        let run = fetch(&news, path, place.path(), &options).exits(0);
        assert_eq!(told(&run), wanted, "{arguments:?}");
    }
    for (path, arguments, code) in [
        ("misc.test", &["9"][..], 69),
        ("", &["9"], 64),
        ("", &[], 64),
        ("misc.test", &["1", "<1@x>"], 64),
        ("2@x", &["1"], 64),
        ("none", &[], 69),
        ("", &["<a b>"], 64),
    ] {
        fetch(&news, path, place.path(), arguments).exits(code);
    }
    let options = [&["<none@x>", "<1@x>"], &STORE[..]].concat();
    let run = fetch(&news, "", place.path(), &options).exits(69);
    assert_eq!(told(&run), ["not-stored 0", "stored 0"]);
}

#[test]
fn a_url_without_a_server_is_about_the_usual_one() {
    let news = with_articles(&[&article("<1@x>", "one")]);
    let server = news.url("").trim_end_matches('/').to_owned();
    for url in ["news:1@x", "news:misc.test/1", "news:misc.test"] {
        let mut command = command(&["nntp-fetch", url]);
        let run = Run::from(command.env("NNTPSERVER", &server).output().unwrap());
        assert!(run.exits(0).text().trim_end().ends_with("one"), "{url}");
    }
    let mut command = command(&["nntp-fetch", "news:1@x"]);
    let run = Run::from(command.env_remove("NNTPSERVER").output().unwrap());
    run.exits(64).says("names no server");
}

#[test]
fn files_in_articles_are_saved() {
    let first = article("<1@x>", "begin 644 cat.txt\r\n#0V%T\r\n`\r\nend");
    let header = String::from_utf8(article("<2@x>", "y")).unwrap();
    let part = |number: u8, bytes: &[u8]| {
        let begin = format!("=ybegin part={number} total=2 line=128 size=4 name=a.bin\r\n");
        let range = format!("=ypart begin={} end={}\r\n", 2 * number - 1, 2 * number);
        let end = format!("\r\n=yend size=2 part={number}\r\n");
        let header = header.replace("2@x", &format!("y{number}@x"));
        let coded: Vec<u8> = bytes.iter().map(|byte| byte.wrapping_add(42)).collect();
        [
            header.as_bytes(),
            begin.as_bytes(),
            range.as_bytes(),
            &coded,
            end.as_bytes(),
        ]
        .concat()
    };
    let (second, third) = (part(1, b"\xff\x00"), part(2, b"\x80."));
    let news = with_articles(&[&first, &second, &third]);
    let place = folder();
    fetch(&news, "misc.test", place.path(), &STORE).exits(0);
    let mail = place.path().join("mail");
    let files = names(&mail).into_iter().map(|name| format!("mail/{name}"));
    let files: Vec<String> = files.collect();
    let mut arguments = vec!["mail-show", "--save-attachments", "out"];
    arguments.extend(files.iter().map(String::as_str));
    proto_in(place.path(), &arguments).exits(0);
    let out = place.path().join("out");
    assert_eq!(names(&out), ["a.bin.001", "a.bin.002", "cat.txt"]);
    let parts = ["a.bin.001", "a.bin.002"].map(|name| fs::read(out.join(name)).unwrap());
    assert_eq!(parts.concat(), b"\xff\x00\x80.");
    assert_eq!(fs::read(out.join("cat.txt")).unwrap(), b"Cat");
}

#[test]
fn headers_alone_are_not_remembered() {
    let news = News::flawed(&[]);
    let place = folder();
    let options = [&STORE[..], &["--headers-only", "--limit", "2", "--json"]].concat();
    for _ in 0..2 {
        let run = fetch(&news, "misc.test", place.path(), &options).exits(0);
        assert_eq!(rows(&run)[1]["number"], 2);
    }
    assert_eq!(news.count_of("HEAD"), 4);
    assert!(!place.path().join("state").exists());
}

#[test]
fn what_is_lost_in_the_middle_comes_the_next_time() {
    let news = News::ruled(&["article=7 count=1 drop"]);
    let place = folder();
    let run = fetch(&news, "misc.test", place.path(), &STORE).exits(75);
    assert_eq!(run.text().lines().count(), 6);
    let run = fetch(&news, "misc.test", place.path(), &STORE).exits(0);
    assert_eq!(run.text().lines().count(), 14);
    // And at once with --retry.
    let news = News::ruled(&["article=7 count=1 drop"]);
    let place = folder();
    let retry = [&STORE[..], &["--retry", "1"]].concat();
    let run = fetch(&news, "misc.test", place.path(), &retry).exits(0);
    assert_eq!(run.text().lines().count(), 20);
    assert_eq!(names(&place.path().join("mail")).len(), 20);
}

#[test]
fn large_articles_are_skipped() {
    let news = news();
    assert!(news.spool.generate("misc.large", 2, 100_000));
    let news = News::with(news, Options::default());
    let place = folder();
    let options = [&STORE[..], &["--max-size", "10K"]].concat();
    let run = fetch(&news, "misc.large", place.path(), &options).exits(0);
    assert_eq!(told(&run), ["skipped 1", "skipped 2"]);
    assert_eq!(names(&place.path().join("mail")), [""; 0]);
}

#[test]
fn servers_without_listgroup_or_capabilities() {
    let news = News::without(&["CAPABILITIES"]);
    let place = folder();
    let run = fetch(&news, "misc.test", place.path(), &STORE).exits(0);
    assert_eq!(run.text().lines().count(), 20);
    let news = News::ruled(&["listgroup reply=500 what?"]);
    let place = folder();
    let run = fetch(&news, "misc.test", place.path(), &STORE).exits(0);
    assert_eq!(run.text().lines().count(), 20);
    proto(&["nntp-fetch", "nntp://localhost:1/misc.test"]).exits(69);
}
