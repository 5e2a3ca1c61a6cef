//! Redirects: where they may lead, and what does not go along.

use proto_mock::Trap;

use super::{assert_harmless, download, download_in, found, ok, response, talker, talker_with};
use crate::harness::{authority, command, folder, tls, Run, Web};

/// Everything that may tell who asks.
const TELLING: [&str; 5] = [
    "Authorization: Bearer canary",
    "Cookie: session=canary",
    "X-Api-Key: canary",
    "Referer: http://intranet.example/canary",
    "Proxy-Authorization: Basic canary",
];

fn with_headers() -> Vec<&'static str> {
    TELLING
        .iter()
        .flat_map(|header| ["--header", *header])
        .collect()
}

#[test]
fn nothing_that_tells_who_asks_goes_to_another_origin() {
    for status in [301, 302, 303, 307, 308] {
        let second = talker(|_, _| ok(b"here"));
        let location = format!("Location: {}", second.url("/x"));
        let first = talker(move |_, _| response(&format!("{status} Moved"), &[&location], b""));
        download(&first.url("/"), &with_headers()).gives(b"here");
        assert_eq!(first.heard().matches("canary").count(), TELLING.len());
        assert!(!second.heard().contains("canary"), "{}", second.heard());
        assert!(!second.heard().contains(&first.server.port().to_string()));
    }
}

#[test]
fn another_name_for_the_same_address_is_another_origin() {
    let server = talker(|number, head| match number {
        1 => {
            let port = head.split(':').nth(2).unwrap().lines().next().unwrap();
            found(&format!("http://127.0.0.1:{port}/"))
        }
        _ => ok(b"here"),
    });
    download(&server.url("/"), &with_headers()).gives(b"here");
    let heads = server.heads();
    assert!(heads[0].contains("canary"));
    assert!(!heads[1].contains("canary"), "{}", heads[1]);
}

#[test]
fn the_same_origin_is_told_again() {
    let server = talker(|number, _| match number {
        1 => found("/next"),
        _ => ok(b"here"),
    });
    download(&server.url("/"), &with_headers()).gives(b"here");
    assert_eq!(server.heads()[1].matches("canary").count(), TELLING.len());
}

#[test]
fn a_password_is_for_the_server_that_was_named() {
    let asking = |realm: &str| {
        let basic = format!("WWW-Authenticate: Basic realm=\"{realm}\"");
        let digest =
            format!("WWW-Authenticate: Digest realm=\"{realm}\", nonce=\"n\", qop=\"auth\"");
        response("401 Who are you", &[&basic, &digest], b"")
    };
    for mechanism in [&["--auth", "basic"][..], &["--auth", "digest"], &[]] {
        let second = talker(move |_, _| asking("same realm"));
        let location = second.url("/");
        let first = talker(move |_, head| match head.contains("Authorization") {
            true => found(&location),
            false => asking("same realm"),
        });
        let folder = folder();
        let mut command = command(&["http-get", "-o", "file", "-u", "fred", &first.url("/")]);
        command.env("PROTO_PASSWORD", "canary").args(mechanism);
        let run = Run::from(command.current_dir(folder.path()).output().unwrap()).exits(77);
        assert_harmless(&run);
        assert!(first.heard().contains("\nAuthorization: "));
        assert!(
            !second.heard().contains("Authorization"),
            "{}",
            second.heard()
        );
        assert!(!second.heard().contains("fred"), "{}", second.heard());
    }
}

#[test]
fn a_password_in_the_url_stays_with_its_server() {
    let second = talker(|_, _| response("401 No", &["WWW-Authenticate: Basic realm=\"x\""], b""));
    let location = second.url("/");
    let first = talker(move |_, _| found(&location));
    let url = first.url("/").replace("http://", "http://fred:canary@");
    let attempt = download(&url, &["--auth", "basic", "-v"]).fails(77);
    assert!(first.heard().contains("Authorization: Basic "));
    assert!(!second.heard().contains("Authorization"));
    assert!(
        !attempt.run.stderr.contains("canary"),
        "{}",
        attempt.run.stderr
    );
}

#[test]
fn credentials_in_a_location_are_never_shown() {
    // Neither to another server nor to the same one.
    let asking = || response("401 No", &["WWW-Authenticate: Basic realm=\"x\""], b"");
    let second = talker(move |_, _| asking());
    let location = second.url("/").replace("http://", "http://evil:twin@");
    let first = talker(move |_, _| found(&location));
    let attempt = download(&first.url("/"), &["-v"]).fails(77);
    assert!(!second.heard().contains("Authorization"));
    assert!(!second.heard().contains("evil"), "{}", second.heard());
    assert!(
        !attempt.run.stderr.contains("twin"),
        "{}",
        attempt.run.stderr
    );
}

#[test]
fn redirects_lead_only_to_http() {
    let trap = Trap::set().unwrap();
    let port = trap.port();
    for location in [
        "file:///etc/passwd".to_owned(),
        "FILE:///etc/passwd".to_owned(),
        "file://localhost/etc/passwd".to_owned(),
        "data:text/plain,evil".to_owned(),
        "javascript:alert(1)".to_owned(),
        "unix:/run/docker.sock".to_owned(),
        format!("ftp://localhost:{port}/"),
        format!("ftps://localhost:{port}/"),
        format!("gopher://localhost:{port}/0a%0d%0aMAIL"),
        format!("imap://localhost:{port}/INBOX"),
        format!("smtp://localhost:{port}/"),
        format!("pop3://localhost:{port}/"),
        format!("nntp://localhost:{port}/"),
        format!("telnet://localhost:{port}/"),
        format!("ws://localhost:{port}/"),
        format!("\\\\localhost:{port}\\share"),
        format!("/\\localhost:{port}/"),
        format!("http:\\\\localhost:{port}/"),
        format!("http://127.0.0%2E1:{port}/"),
        format!("//127.0.0%2E1:{port}/"),
        format!("///localhost:{port}/"),
        format!("http:///localhost:{port}/"),
        format!("https:localhost:{port}/"),
        "http://".to_owned(),
        "http://[::1".to_owned(),
        "http://localhost:99999/".to_owned(),
    ] {
        let lead = location.clone();
        let server = talker(move |_, _| found(&lead));
        let attempt = download(&server.url("/"), &[]);
        assert_eq!(attempt.run.code, 76, "{location}: {}", attempt.run.stderr);
        assert!(attempt.names().is_empty());
        assert!(!trap.was_touched(), "{location}");
    }
}

#[test]
fn a_location_with_control_characters_is_refused() {
    for evil in ["/a\tb", "/a\u{9b}2J", "/a\u{85}b"] {
        let server = talker(move |_, _| found(evil));
        download(&server.url("/"), &[]).fails(76);
    }
}

#[test]
fn relative_locations_are_resolved_by_the_book() {
    for (location, target) in [
        ("../x", "/x"),
        ("../../../../x", "/x"),
        ("?q", "/a/b?q"),
        ("x#y", "/a/x"),
        ("", "/a/b"),
        ("/%2e%2e/x", "/x"),
    ] {
        let server = talker(move |number, _| match number {
            1 => found(location),
            _ => ok(b"here"),
        });
        download(&server.url("/a/b"), &[]).gives(b"here");
        let second = server.heads()[1].lines().next().unwrap().to_owned();
        assert_eq!(second, format!("GET {target} HTTP/1.1"), "{location}");
    }
}

#[test]
fn loops_and_long_chains_end() {
    let server = talker(|_, _| found("/again"));
    download(&server.url("/"), &[]).fails(65);
    assert_eq!(server.heads().len(), 11);
    let server = talker(|_, _| found("/again"));
    download(&server.url("/"), &["--max-redirects", "3"]).fails(65);
    assert_eq!(server.heads().len(), 4);
    let web = Web::serve(&[("index.html", b"home")]);
    download(&web.url("/mock/redirect/10"), &[]).gives(b"home");
    download(&web.url("/mock/redirect/11"), &[]).fails(65);
}

#[test]
fn a_huge_location_is_refused() {
    for size in [65_000, 100_000, 1_000_000] {
        let server = talker(move |number, _| match number {
            1 => found(&format!("/{}", "x".repeat(size))),
            _ => ok(b"here"),
        });
        let attempt = download(&server.url("/"), &[]);
        match size {
            65_000 => drop(attempt.gives(b"here")),
            _ => assert!(
                matches!(attempt.run.code, 65 | 76),
                "{}",
                attempt.run.stderr
            ),
        }
    }
}

#[test]
fn https_does_not_become_http_unasked() {
    let trap = Trap::set().unwrap();
    let location = format!("http://localhost:{}/", trap.port());
    let server = talker_with(tls(), move |_, _| found(&location));
    let url = server.url("/").replace("http:", "https:");
    let ca = authority();
    let attempt = download(&url, &["--ca", &ca]).fails(76);
    attempt.says("--plain");
    assert!(!trap.was_touched());
}

#[test]
fn https_becomes_http_where_that_is_allowed_but_without_secrets() {
    let second = talker(|_, _| ok(b"here"));
    let location = second.url("/");
    let server = talker_with(tls(), move |_, _| found(&location));
    let url = server.url("/").replace("http:", "https:");
    let ca = authority();
    let mut options = with_headers();
    options.extend(["--plain", "--ca", &ca]);
    download(&url, &options).gives(b"here");
    assert!(!second.heard().contains("canary"));
}

#[test]
fn the_file_is_named_by_the_user_and_not_by_a_redirect() {
    let server = talker(|number, _| match number {
        1 => found("/.bashrc"),
        _ => ok(b"here"),
    });
    let folder = folder();
    let mut command = command(&["http-get", "-O", &server.url("/wanted")]);
    Run::from(command.current_dir(folder.path()).output().unwrap()).exits(0);
    assert_eq!(crate::harness::names(folder.path()), ["wanted"]);
    // And the other way round nothing is written before it is known.
    let server = talker(|_, _| found("/loop"));
    download_in(folder, &server.url("/"), &[]).fails(65);
}

#[test]
fn hints_to_go_elsewhere_are_ignored() {
    let trap = Trap::set().unwrap();
    let port = trap.port();
    let server = talker(move |_, _| {
        response(
            "200 OK",
            &[
                &format!("Alt-Svc: http/1.1=\"localhost:{port}\"; ma=3600, h2=\":{port}\""),
                &format!("Link: <http://localhost:{port}/a>; rel=preload"),
                &format!("Refresh: 0; url=http://localhost:{port}/b"),
                &format!("Content-Location: http://localhost:{port}/c"),
                &format!("Location: http://localhost:{port}/d"),
            ],
            b"here",
        )
    });
    let run = crate::harness::proto(&["http-get", &server.url("/1"), &server.url("/2")]);
    assert_eq!(run.exits(0).text(), "herehere");
    assert!(!trap.was_touched());
    assert_eq!(server.server.connections(), 1);
}

#[test]
fn statuses_that_are_no_redirects_are_not_followed() {
    let trap = Trap::set().unwrap();
    for status in [300, 304, 305, 306, 399] {
        let location = format!("Location: http://localhost:{}/", trap.port());
        let server = talker(move |_, _| response(&format!("{status} X"), &[&location], b""));
        download(&server.url("/"), &[]);
        assert!(!trap.was_touched(), "{status}");
    }
}
