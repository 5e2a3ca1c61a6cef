//! What we are asked to say: nothing in an argument becomes another line, another request or
//! another host.

use proto_mock::Trap;

use super::{assert_harmless, download, ok, talker};
use crate::harness::{command, proto, Run};

#[track_caller]
fn refuses(arguments: &[&str], trap: &Trap) {
    let run = proto(arguments);
    assert_harmless(&run);
    assert_eq!(run.code, 64, "{arguments:?}: {}", run.stderr);
    assert!(!trap.was_touched(), "{arguments:?} connected");
}

#[test]
fn raw_control_characters_in_a_url_are_refused_before_connecting() {
    let trap = Trap::set().unwrap();
    let port = trap.port();
    for evil in ["\r\n", "\n", "\r", "\t", "\x1b[2J", "\x7f", " ", "\\"] {
        for url in [
            format!("http://localhost:{port}/a{evil}b"),
            format!("http://localhost:{port}/?a{evil}b"),
            format!("http://localhost:{port}/#a{evil}b"),
            format!("http://fr{evil}ed@localhost:{port}/"),
            format!("http://fred:se{evil}cret@localhost:{port}/"),
            format!("http://local{evil}host:{port}/"),
            format!("ht{evil}tp://localhost:{port}/"),
        ] {
            refuses(&["http-get", &url], &trap);
            refuses(&["http-head", &url], &trap);
        }
    }
}

#[test]
fn encoded_control_characters_in_user_password_and_host_are_refused_before_connecting() {
    let trap = Trap::set().unwrap();
    let port = trap.port();
    for evil in ["%0d%0a", "%0a", "%0D", "%00", "%09", "%1b", "%7f", "%ff"] {
        for url in [
            format!("http://fr{evil}ed:x@localhost:{port}/"),
            format!("http://fred:se{evil}cret@localhost:{port}/"),
            format!("http://local{evil}host:{port}/"),
        ] {
            refuses(&["http-get", &url], &trap);
        }
    }
}

#[test]
fn encoded_control_characters_in_a_path_stay_encoded() {
    let server = talker(|_, _| ok(b"fine"));
    download(&server.url("/a%0d%0aX:%20b%00%09?c%0a=%0d"), &[]).gives(b"fine");
    let [head] = &server.heads()[..] else {
        panic!("one request")
    };
    let first = head.lines().next().unwrap();
    assert_eq!(first, "GET /a%0d%0aX:%20b%00%09?c%0a=%0d HTTP/1.1");
}

#[test]
fn a_target_holds_only_visible_ascii() {
    let server = talker(|_, _| ok(b"fine"));
    let url = server.url("/ä\u{85}\u{202e}\"<>`{}|?ö=\u{9b}'");
    // The control characters among them are refused, everything else is encoded.
    download(&url, &[]).fails(64);
    download(&server.url("/äß\u{202e}\"<>`{}|?ö='"), &[]).gives(b"fine");
    for head in server.heads() {
        let target = head.split(' ').nth(1).unwrap();
        assert!(target.bytes().all(|b| b.is_ascii_graphic()), "{target}");
    }
    assert_eq!(server.heads().len(), 1);
}

#[test]
fn header_options_cannot_hold_lines_or_control_characters() {
    let trap = Trap::set().unwrap();
    let url = format!("http://localhost:{}/", trap.port());
    for header in [
        "X: a\r\nEvil: b",
        "X: a\nEvil: b",
        "X: a\rb",
        "X\r\nEvil: b",
        "X Y: b",
        ": b",
        "X\u{e4}: b",
        "X: \x1b[2J",
        "X: \u{9b}2J",
        "Cookie: a\r\nEvil: b",
        "Authorization: a\nEvil: b",
        "no colon",
    ] {
        let run = proto(&["http-get", "--header", header, &url]);
        assert_eq!(run.code, 64, "{header:?}: {}", run.stderr);
        assert!(!trap.was_touched(), "{header:?}");
    }
}

#[test]
fn header_options_cannot_frame_or_route_the_message() {
    let trap = Trap::set().unwrap();
    let url = format!("http://localhost:{}/", trap.port());
    for header in [
        "Host: evil.example",
        "host: evil.example",
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Connection: Authorization",
        "TE: trailers",
        "Upgrade: h2c",
    ] {
        refuses(&["http-get", "--header", header, &url], &trap);
    }
}

#[test]
fn a_user_name_cannot_hold_what_would_end_a_line_or_the_name() {
    let server =
        talker(|_, _| super::response("401 No", &["WWW-Authenticate: Basic realm=\"x\""], b""));
    for user in ["fr\r\ned", "fr\ned", "fr:ed"] {
        let mut command = command(&["http-get", "-u", user, &server.url("/")]);
        command.env("PROTO_PASSWORD", "secret");
        let run = Run::from(command.output().unwrap()).exits(64);
        assert_harmless(&run);
    }
    assert!(!server.heard().contains("Authorization"));
}

#[test]
fn a_host_is_what_it_looks_like() {
    let trap = Trap::set().unwrap();
    let port = trap.port();
    // Whatever one parser takes for the user and another for the host, is refused.
    for url in [
        format!("http://good.example\\@localhost:{port}/"),
        format!("http://localhost:{port}%2f@/"),
        format!("http://good.example%40localhost:{port}/"),
        format!("http://localhost:{port}x/"),
        format!("http://localhost:99999{port}/"),
        "http://".to_owned(),
        "http:///path".to_owned(),
        format!("http://{}/", "a".repeat(300)),
    ] {
        refuses(&["http-get", &url], &trap);
    }
}

#[test]
fn numeric_hosts_mean_what_everybody_takes_them_for() {
    let server = talker(|_, _| ok(b"fine"));
    let port = server.server.port();
    for host in ["0x7f.1", "2130706433", "017700000001", "127.1"] {
        let url = format!("http://{host}:{port}/");
        download(&url, &[]).gives(b"fine");
    }
    for head in server.heads() {
        assert!(
            head.contains(&format!("Host: 127.0.0.1:{port}\n")),
            "{head}"
        );
    }
}

#[test]
fn only_http_can_be_fetched() {
    let trap = Trap::set().unwrap();
    for scheme in ["file", "ftp", "gopher", "imap", "ws", "javascript"] {
        let url = format!("{scheme}://localhost:{}/etc/passwd", trap.port());
        refuses(&["http-get", &url], &trap);
    }
    refuses(&["http-get", "data:text/plain,hello"], &trap);
}

#[test]
fn option_like_operands_are_not_urls() {
    let run = proto(&["http-get", "-oProxyCommand=evil", "--", "--insecure"]);
    assert_harmless(&run);
    // Behind "--" it is a host name, and there is no such host.
    assert!(matches!(run.code, 64 | 68), "{}", run.stderr);
}
