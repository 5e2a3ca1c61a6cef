//! Attacks on news and gopher clients that are known by name, each with what must come of it.

use std::fs;

use proto_mock::{gopher::GopherServer, Outcome};

use super::*;
use crate::gopher_get::showing;
use crate::harness::Script;
use crate::nntp_groups::rows;
use crate::nntp_overview::with_articles;

/// The beginning of a conversation.
const READY: &str = "S: 200 ready\nC: CAPABILITIES\nS: 101 Capability list:\nS: VERSION 2\n";

/// Runs a command against a conversation that must go just so. `HOST` is where it is.
#[track_caller]
fn against(conversation: &str, arguments: &[&str]) -> (Run, tempfile::TempDir) {
    let script = Script::play(conversation);
    let host = format!("localhost:{}", script.server.port());
    let arguments: Vec<String> = arguments
        .iter()
        .map(|word| word.replace("HOST", &host))
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (run, place) = run(&arguments);
    let outcome = script.replay.outcome();
    assert_eq!(outcome, Outcome::AsWritten, "{outcome}\n{}", run.stderr);
    (run, place)
}

#[test]
fn an_upgrade_that_is_stripped_costs_no_password() {
    let asks = ["nntp-groups", "nntp://fred:pencil@HOST/", "--starttls"];
    let plain = format!("{READY}S: READER\nS: AUTHINFO USER\nS: .\n");
    let (run, _place) = against(&plain, &asks);
    assert_eq!(run.code, 76, "{}", run.stderr);
    for reply in [
        "502 no",
        "580 cannot",
        "500 what?",
        "354 go on",
        "221 bye",
        "400 later",
    ] {
        let refused = format!("{READY}S: READER\nS: STARTTLS\nS: .\nC: STARTTLS\nS: {reply}\n");
        let (run, _place) = against(&refused, &asks);
        assert_eq!(run.code, 76, "{reply}: {}", run.stderr);
    }
}

#[test]
fn what_is_said_before_the_handshake_is_no_part_of_it() {
    // Behind the answer, a moment later.
    for injected in ["S: 281 come in\n", "S| 281 come in\n"] {
        let late = format!(
            "{READY}S: READER\nS: STARTTLS\nS: .\nC: STARTTLS\nS: 382 go on\n= wait 50ms\n{injected}"
        );
        let script = Script::play(&late);
        let url = format!("nntp://localhost:{}/", script.server.port());
        let (run, _place) = run(&["nntp-groups", &url, "--starttls"]);
        assert_eq!(run.code, 76, "{}", run.stderr);
    }
}

#[test]
fn what_was_offered_before_tls_counts_no_more() {
    for (before, after, login) in [
        (
            "SASL PLAIN",
            "SASL SCRAM-SHA-256",
            "AUTHINFO SASL SCRAM-SHA-256 (secret)",
        ),
        (
            "SASL SCRAM-SHA-256",
            "SASL PLAIN",
            "AUTHINFO SASL PLAIN (secret)",
        ),
    ] {
        let conversation = format!(
            "{READY}S: READER\nS: AUTHINFO SASL\nS: {before}\nS: STARTTLS\nS: .\nC: STARTTLS\n\
             S: 382 go on\n= tls\nC: CAPABILITIES\nS: 101 Capability list:\nS: VERSION 2\n\
             S: READER\nS: AUTHINFO SASL\nS: {after}\nS: .\nC: {login}\nS: 481 no\nC: QUIT\n\
             S: 205 bye\n"
        );
        let asks = ["nntp-groups", "nntp://fred:pencil@HOST/", "--starttls"];
        let (run, _place) = against(&conversation, &asks);
        assert_eq!(run.code, 77, "{}", run.stderr);
    }
}

#[test]
fn passwords_wait_for_tls_when_the_server_says_so() {
    // RFC 4643 section 2.3.3: 483 to AUTHINFO. Nothing is said in the clear behind it.
    let conversation = format!(
        "{READY}S: READER\nS: AUTHINFO USER\nS: STARTTLS\nS: .\nC: AUTHINFO USER fred\n\
         S: 483 Encryption required\n(?:QUIT)"
    )
    .replace("(?:QUIT)", "C: QUIT\nS: 205 bye\n");
    let asks = ["nntp-groups", "nntp://fred:pencil@HOST/", "--plain"];
    let (run, _place) = against(&conversation, &asks);
    assert_eq!(run.code, 76, "{}", run.stderr);
}

#[test]
fn an_answer_of_the_wrong_kind_is_none() {
    for (event, name, path) in [
        ("list=NEWSGROUPS", "nntp-groups", ""),
        ("group", "nntp-overview", "misc.test"),
        ("over", "nntp-overview", "misc.test"),
        ("listgroup", "nntp-fetch", "misc.test"),
        ("article", "nntp-fetch", "misc.test"),
        ("posting", "nntp-post", ""),
        ("capabilities", "nntp-groups", ""),
    ] {
        for code in [100, 205, 250, 281, 354, 381, 382] {
            let news = News::ruled(&[&format!("{event} reply={code} what?")]);
            let mut arguments = vec![name.to_owned(), news.url(path)];
            match name {
                "nntp-post" => arguments.push("article".to_owned()),
                "nntp-fetch" => arguments.extend(STORE.map(str::to_owned)),
                _ => {}
            }
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let (run, _place) = run(&arguments);
            assert_eq!(run.code, 76, "{event} {code}: {run:?}");
            assert!(news.news.posted().is_empty());
        }
    }
}

#[test]
fn nothing_that_a_url_or_an_argument_holds_is_a_command() {
    let news = News::flawed(&[]);
    for (name, path, more) in [
        ("nntp-overview", "misc.test%0d%0aQUIT", &[][..]),
        ("nntp-overview", "misc.test%0aQUIT", &[]),
        ("nntp-overview", "misc.test/1%0d%0aQUIT", &[]),
        ("nntp-overview", "misc.test", &["1-\r\nQUIT"]),
        ("nntp-groups", "misc.*%0d%0aQUIT", &[]),
        ("nntp-groups", "", &["misc.*\r\nQUIT"]),
        ("nntp-fetch", "x@y%0d%0aQUIT", &[]),
        ("nntp-fetch", "", &["<x@y>\r\nQUIT"]),
        ("nntp-fetch", "misc.test%00", &[]),
        ("nntp-post", "misc.test%0d%0aQUIT", &["article"]),
    ] {
        let url = news.url(path);
        let (run, _place) = run(&[&[name, url.as_str()], more].concat());
        assert_eq!(run.code, 64, "{name} {path} {more:?}: {}", run.stderr);
    }
    let long = format!("{}@y", "x".repeat(600));
    let (run, _place) = run(&["nntp-fetch", &news.url(&long)]);
    assert_eq!(run.code, 64, "{}", run.stderr);
    assert_eq!(news.heard(), [""; 0]);
}

#[test]
fn nothing_that_a_gopher_url_holds_is_a_command() {
    let gopher = Gopher::flawed(&[]);
    for path in [
        "0a%0d%0aMAIL",
        "0a%0aMAIL",
        "0a%0dMAIL",
        "0a%00",
        "7a%09b%0d%0ac",
        "1a%09%09%09%09",
    ] {
        for name in ["gopher-get", "gopher-menu"] {
            let (run, _place) = run(&[name, &gopher.url(path)]);
            assert_eq!(run.code, 64, "{name} {path}: {}", run.stderr);
        }
    }
    let (run, _place) = run(&["gopher-get", &gopher.url("7a"), "--search", "a\r\nMAIL"]);
    assert_eq!(run.code, 64, "{}", run.stderr);
    assert_eq!(gopher.heard(), [""; 0]);
}

/// The header of what is posted.
const HEAD: &str = "From: a@b.example\nNewsgroups: misc.test\nSubject: x\n\n";

/// Posts an article with this body. What the server then has, or the exit status.
fn posted(body: &[u8]) -> Result<Vec<u8>, i32> {
    let news = News::flawed(&[]);
    let place = folder();
    fs::write(place.path().join("a"), [HEAD.as_bytes(), body].concat()).unwrap();
    let path = place.path().join("a").to_string_lossy().into_owned();
    let (run, _place) = run(&["nntp-post", &news.url(""), &path]);
    if run.code != 0 {
        assert_eq!(news.count_of("POST"), 0, "{}", run.stderr);
        return Err(run.code);
    }
    let posted = news.news.posted();
    assert_eq!(posted.len(), 1);
    assert_eq!(news.news.violations(), [""; 0]);
    let content = &posted[0].content;
    let end = content.windows(4).position(|four| four == b"\r\n\r\n");
    Ok(content[end.unwrap() + 4..].to_vec())
}

#[test]
fn no_line_of_an_article_ends_it() {
    for (body, wanted) in [
        (&b"."[..], Ok(&b".\r\n"[..])),
        (b".\r\n.", Ok(b".\r\n.\r\n")),
        (b"a\n.\nb\n", Ok(b"a\r\n.\r\nb\r\n")),
        (b"a\n.\r\nb\n", Ok(b"a\r\n.\r\nb\r\n")),
        (b"a\r.\rb\n", Err(64)),
        (b"a\r\n.\rb\n", Err(64)),
        (b"a\0b\n", Err(64)),
    ] {
        assert_eq!(posted(body), wanted.map(<[u8]>::to_vec), "{body:?}");
    }
}

#[test]
fn dots_are_doubled_wherever_a_buffer_ends() {
    let mut bodies = Vec::new();
    for border in [8192, 16_384, 65_536] {
        // The header has its place before it.
        for at in border - 100..=border {
            let body = [&b"x".repeat(at)[..], b"\r\n.\r\n..\r\n"].concat();
            bodies.push(body);
        }
    }
    let news = News::flawed(&[]);
    let place = folder();
    let mut files = Vec::new();
    for (index, body) in bodies.iter().enumerate() {
        let path = place.path().join(index.to_string());
        fs::write(&path, [HEAD.as_bytes(), body].concat()).unwrap();
        files.push(path.to_string_lossy().into_owned());
    }
    let files = files.iter().map(String::as_str);
    let url = news.url("");
    let arguments: Vec<&str> = ["nntp-post", &url].into_iter().chain(files).collect();
    let (run, _place) = run(&arguments);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let posted = news.news.posted();
    assert_eq!(posted.len(), bodies.len());
    for (posted, body) in posted.iter().zip(&bodies) {
        assert!(posted.content.ends_with(&[b"\r\n\r\n", &body[..]].concat()));
    }
}

#[test]
fn numbers_that_no_64_bits_hold_are_none() {
    for reply in [
        "211 99999999999999999999 1 99999999999999999999 misc.test",
        "211 -1 -1 -1 misc.test",
        "211 1 2",
        "211 a b c misc.test",
    ] {
        let group = format!("{READY}S: READER\nS: OVER\nS: .\nC: GROUP misc.test\nS: {reply}\n");
        let (run, _place) = against(&group, &["nntp-overview", "nntp://HOST/misc.test"]);
        assert_eq!(run.code, 76, "{reply}: {}", run.stderr);
    }
    // A group of more articles than there can be is no reason to hold so many numbers.
    let listed = format!(
        "{READY}S: READER\nS: OVER\nS: .\nC: LISTGROUP misc.test\nS: 500 what?\n\
         C: GROUP misc.test\nS: 211 9 1 18446744073709551615 misc.test\n"
    );
    let arguments = [
        "nntp-fetch",
        "nntp://HOST/misc.test",
        "--eml-dir",
        "mail",
        "--state",
        "s",
    ];
    let (run, _place) = against(&listed, &arguments);
    assert_eq!(run.code, 65, "{}", run.stderr);
}

#[test]
fn overviews_of_any_shape_do_no_harm() {
    let tabs = "\t".repeat(1_000);
    let lines = [
        "1\tone\ta@b\tdate\t<1@x>\t\t5\t1",
        "2\tfold\\r\\n\ta@b\t\t<2@x>",
        "99999999999999999999\tx",
        "-3\tx",
        "4",
        "",
        "77\tnot asked for\ta@b\t\t<77@x>",
        &format!("5\t{tabs}"),
        "6\t\\x1b]0;evil\\x07\ta@b\t\t<6@x>\t\t-1\t99999999999999999999",
    ];
    let lines: Vec<String> = lines
        .iter()
        .map(|line| format!("S| {line}\\r\\n\n"))
        .collect();
    let conversation = format!(
        "{READY}S: READER\nS: OVER\nS: .\nC: GROUP misc.test\nS: 211 9 1 9 misc.test\n\
         C: LIST OVERVIEW.FMT\nS: 503 no\nC: OVER 1-9\nS: 224 here\n{}S: .\nC: QUIT\nS: 205 bye\n",
        lines.concat()
    );
    for more in [&[][..], &["--json"]] {
        let asks = [&["nntp-overview", "nntp://HOST/misc.test", "1-9"], more].concat();
        let (run, _place) = against(&conversation, &asks);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(run.stderr.contains("could not be read"), "{}", run.stderr);
        assert!(!run.text().contains("not asked for"));
        if !more.is_empty() {
            let found = rows(&run);
            let number = |row: &serde_json::Value| row["number"].as_u64().unwrap();
            let numbers: Vec<u64> = found.iter().map(number).collect();
            assert_eq!(numbers.first(), Some(&1));
            assert_eq!(numbers.last(), Some(&6));
        }
    }
}

#[test]
fn names_from_a_news_server_stay_in_their_folder() {
    let article = |id: &str| {
        format!("From: a@b\r\nNewsgroups: misc.test\r\nSubject: x\r\nMessage-ID: {id}\r\n\r\nx\r\n")
    };
    let long = format!("<{}@x>", "y".repeat(240));
    let ids = [
        "<../../../evil@x>",
        "</etc/evil@x>",
        "<..@x>",
        "<.hidden@x>",
        "<a\\b:c*?@x>",
        &long,
    ];
    let articles = ids.map(article);
    let articles: Vec<&[u8]> = articles.iter().map(String::as_bytes).collect();
    let news = with_articles(&articles);
    let url = news.url("misc.test");
    let (run, place) = run(&["nntp-fetch", &url, "--eml-dir", "mail", "--state", "state"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let files = names(&place.path().join("mail"));
    let files = files
        .iter()
        .filter(|name| name.ends_with(".eml") && !name.starts_with('.'));
    assert_eq!(files.count(), ids.len());
    let all = names(place.path());
    assert_eq!(all, ["article", "mail", "state", "state.lock"]);
}

#[test]
fn names_from_a_gopher_menu_stay_in_their_folder() {
    let menu = b"0evil\t/../../evil.txt\tlocalhost\t70\r\n0hidden\t/.profile\t+\t+\r\n.\r\n";
    let (gopher, _root) = showing(&[("gophermap", menu)]);
    for path in [
        "0/../../evil.txt",
        "0/..%2f..%2fevil.txt",
        "0/.profile",
        "9/..",
    ] {
        let (_run, place) = run(&["gopher-get", &gopher.url(path), "-O"]);
        let above = place.path().parent().unwrap();
        assert!(!above.join("evil.txt").exists());
        assert!(names(place.path())
            .iter()
            .all(|name| !name.starts_with('.')));
    }
}

#[test]
fn flaws_of_a_gopher_server_have_their_status() {
    for (flaw, name, path, options, code) in [
        (
            "endless-binary",
            "gopher-get",
            "9/mock/binary",
            &["--max-size", "1M"][..],
            65,
        ),
        ("endless-menu", "gopher-menu", "1/mock/", &[], 65),
        (
            "file-urls",
            "gopher-menu",
            "1/mock/",
            &["--follow", "9"],
            64,
        ),
        ("no-final-dot", "gopher-get", "0/mock/text", &[], 0),
        ("no-final-dot", "gopher-menu", "1/mock/", &[], 0),
        ("malformed-lines", "gopher-menu", "1/mock/", &[], 0),
        ("long-names", "gopher-menu", "1/mock/", &[], 0),
    ] {
        let gopher = Gopher::flawed(&[flaw]);
        let url = gopher.url(path);
        let mut command: Command = command(&[&[name, url.as_str()], options].concat());
        let run = Run::from(command.output().unwrap());
        assert_eq!(run.code, code, "{flaw} {name}: {}", run.stderr);
    }
    let mut plus = GopherServer::default();
    plus.plus = true;
    plus.flaws = vec!["wrong-length".parse().unwrap()];
    let gopher = Gopher::with(plus, Options::default());
    let (run, place) = run(&["gopher-get", &gopher.url("9/mock/binary%09%09+"), "-o", "a"]);
    assert_eq!(run.code, 75, "{}", run.stderr);
    assert_eq!(names(place.path()), ["article"]);
    // A missing dot is told to whoever asks.
    let gopher = Gopher::flawed(&["no-final-dot"]);
    let run = Run::from(
        command(&["gopher-get", &gopher.url("0/mock/text"), "-v"])
            .output()
            .unwrap(),
    );
    assert!(run.stderr.contains("no final dot"), "{}", run.stderr);
}

#[test]
fn a_gopher_url_in_a_menu_is_shown_and_not_followed_elsewhere() {
    // What speaks to a mail server would be a request of ours.
    let trap = Gopher::with(GopherServer::default(), Options::default());
    let port = trap
        .url("")
        .rsplit(':')
        .next()
        .unwrap()
        .trim_end_matches('/')
        .to_owned();
    let menu = format!(
        "0mail\ta\rMAIL FROM:<x@y>\tlocalhost\t{port}\r\nhweb\tURL:file:///etc/passwd\tlocalhost\t{port}\r\n.\r\n"
    );
    let (gopher, _root) = showing(&[("gophermap", menu.as_bytes())]);
    for number in ["1", "2"] {
        let (run, _place) = run(&["gopher-menu", &gopher.url("1/"), "--follow", number]);
        assert_ne!(run.code, 0, "{number}: {run:?}");
    }
    assert_eq!(trap.heard(), [""; 0]);
}
