//! Proxies: what is for them is not for the origin, and the other way round.

use std::sync::{Arc, Mutex};

use proto_mock::{Options, Peer, Server, Trap};

use super::{assert_harmless, download, found, ok, read_head, response, talker};
use crate::harness::{authority, command, Run};

/// "puser:ppass" and "fred:secret".
const FOR_PROXY: &str = "Basic cHVzZXI6cHBhc3M=";
const FOR_ORIGIN: &str = "Basic ZnJlZDpzZWNyZXQ=";

fn through(proxy: &str, port: u16) -> String {
    format!("http://{proxy}localhost:{port}")
}

#[test]
fn an_http_proxy_is_asked_in_absolute_form() {
    let proxy = talker(|_, _| ok(b"here"));
    let address = through("puser:ppass@", proxy.server.port());
    download(
        "http://fred:x@origin.example:8080/a?b#c",
        &["--proxy", &address],
    )
    .gives(b"here");
    let head = proxy.heard();
    let first = head.lines().next().unwrap();
    assert_eq!(first, "GET http://origin.example:8080/a?b HTTP/1.1");
    assert!(head.contains("\nHost: origin.example:8080\n"), "{head}");
    assert!(
        head.contains(&format!("\nProxy-Authorization: {FOR_PROXY}\n")),
        "{head}"
    );
    assert!(!head.contains("\nAuthorization"), "{head}");
}

#[test]
fn the_password_of_a_proxy_is_not_for_the_origin() {
    // The way to the origin leads past the proxy.
    let origin = talker(|_, _| ok(b"here"));
    let trap = Trap::set().unwrap();
    let mut command = command(&["http-get", &origin.url("/")]);
    command.env("http_proxy", through("puser:ppass@", trap.port()));
    command.env("no_proxy", "localhost");
    assert_eq!(Run::from(command.output().unwrap()).exits(0).text(), "here");
    assert!(!trap.was_touched());
    assert!(!origin.heard().contains("Proxy-"), "{}", origin.heard());
}

/// A proxy and, behind its CONNECT, the origin: both tell what they heard.
struct Tunnel {
    server: Server,
    heads: Arc<Mutex<[String; 2]>>,
}

fn tunnel(answer: &'static [u8], behind: &'static [u8]) -> Tunnel {
    let heads: Arc<Mutex<[String; 2]>> = Arc::default();
    let log = Arc::clone(&heads);
    let service = move |peer: &mut Peer, _: usize| {
        let Some(head) = read_head(peer)? else {
            return Ok(());
        };
        log.lock().unwrap()[0].push_str(&head);
        peer.write_all(answer)?;
        if !answer.starts_with(b"HTTP/1.1 2") || !answer.ends_with(b"\r\n\r\n") {
            return peer.flush();
        }
        peer.start_tls()?;
        while let Some(head) = read_head(peer)? {
            log.lock().unwrap()[1].push_str(&head);
            peer.write_all(behind)?;
            peer.flush()?;
        }
        Ok(())
    };
    let server = Server::start(Options::default(), Arc::new(service)).unwrap();
    Tunnel { server, heads }
}

#[test]
fn a_tunnel_keeps_the_two_apart() {
    let tunnel = tunnel(
        b"HTTP/1.1 200 Go\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere",
    );
    let address = through("puser:ppass@", tunnel.server.port());
    let ca = authority();
    let url = "https://fred:secret@localhost:1/a";
    let options = ["--proxy", &address, "--ca", &ca, "--auth", "basic"];
    let more = [
        "--header",
        "Cookie: canary",
        "--header",
        "X-Api-Key: canary",
    ];
    download(url, &[&options[..], &more].concat()).gives(b"here");
    let [proxy, origin] = tunnel.heads.lock().unwrap().clone();
    assert!(
        proxy.starts_with("CONNECT localhost:1 HTTP/1.1\n"),
        "{proxy}"
    );
    assert!(proxy.contains(FOR_PROXY), "{proxy}");
    for secret in [FOR_ORIGIN, "canary", "\nAuthorization", "/a"] {
        assert!(!proxy.contains(secret), "{proxy}");
    }
    assert!(origin.contains(FOR_ORIGIN), "{origin}");
    assert!(!origin.contains("Proxy-"), "{origin}");
}

#[test]
fn what_a_proxy_says_to_connect_is_not_the_origin_speaking() {
    let ca = authority();
    for (answer, code) in [
        // Bytes behind the yes could pass for the origin's.
        (
            &b"HTTP/1.1 200 Go\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"[..],
            76,
        ),
        (b"HTTP/1.1 200 Go\r\nContent-Length: 4\r\n\r\nevil", 76),
        (
            b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n",
            77,
        ),
        (b"HTTP/1.1 403 No\r\nContent-Length: 4\r\n\r\nevil", 69),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://localhost:1/\r\n\r\n",
            69,
        ),
        (b"HTTP/1.1 503 Later\r\n\r\n", 75),
        (b"HTTP/1.1 100 Continue\r\n\r\n", 69),
        (b"HTTP/1.1 2000 OK\r\n\r\n", 76),
        (b"HTTP/1.1 404 \x1b[2J\xc2\x9b\r\n\r\n", 69),
        (b"SSH-2.0-evil\r\n\r\n", 76),
        (b"", 75),
        (b"HTTP/1.1 200 Go\r\n", 75),
    ] {
        let tunnel = tunnel(answer, b"");
        let address = through("", tunnel.server.port());
        let attempt = download("https://localhost:1/", &["--proxy", &address, "--ca", &ca]);
        let shown = String::from_utf8_lossy(answer);
        assert_eq!(attempt.run.code, code, "{shown}: {}", attempt.run.stderr);
        assert_eq!(tunnel.server.connections(), 1, "{shown}");
    }
}

#[test]
fn endless_heads_of_a_proxy_end() {
    let ca = authority();
    for part in [&b"A: b\r\n"[..], &[b'x'; 4096]] {
        let service = move |peer: &mut Peer, _: usize| {
            read_head(peer)?;
            peer.write_all(b"HTTP/1.1 200 Go\r\n")?;
            loop {
                peer.write_all(part)?;
            }
        };
        let server = Server::start(Options::default(), Arc::new(service)).unwrap();
        let address = through("", server.port());
        download("https://localhost:1/", &["--proxy", &address, "--ca", &ca]).fails(65);
    }
}

#[test]
fn a_proxy_that_asks_for_ever_is_told_once() {
    let proxy = talker(|_, _| response("407 Who", &["Proxy-Authenticate: Basic realm=\"x\""], b""));
    let address = through("puser:ppass@", proxy.server.port());
    download("http://origin.example/", &["--proxy", &address]).fails(77);
    assert_eq!(proxy.heads().len(), 1);
}

#[test]
fn a_proxy_does_not_get_the_password_of_the_origin_by_asking() {
    // 401 from a proxy in absolute form is the origin's; 407 is not.
    let proxy = talker(|_, _| {
        response(
            "407 Who",
            &[
                "Proxy-Authenticate: Basic realm=\"x\"",
                "WWW-Authenticate: Basic realm=\"x\"",
            ],
            b"",
        )
    });
    let address = through("", proxy.server.port());
    let mut command = command(&[
        "http-get",
        "-u",
        "fred",
        "--proxy",
        &address,
        "http://origin.example/",
    ]);
    let run = Run::from(command.env("PROTO_PASSWORD", "secret").output().unwrap()).exits(77);
    assert_harmless(&run);
    assert!(!proxy.heard().contains("uthorization"), "{}", proxy.heard());
}

#[test]
fn a_redirect_behind_a_proxy_sheds_what_is_for_the_origin() {
    let proxy = talker(|number, _| match number {
        1 => found("http://second.example/"),
        _ => ok(b"here"),
    });
    let address = through("puser:ppass@", proxy.server.port());
    let headers = [
        "--header",
        "Authorization: canary",
        "--header",
        "Cookie: canary",
    ];
    let options = [&["--plain", "--proxy", &address][..], &headers].concat();
    download("http://first.example/", &options).gives(b"here");
    let heads = proxy.heads();
    assert!(heads[0].contains("\nAuthorization: "));
    assert_eq!(heads[0].matches("canary").count(), 2);
    assert!(
        heads[1].starts_with("GET http://second.example/ "),
        "{}",
        heads[1]
    );
    assert!(!heads[1].contains("canary"), "{}", heads[1]);
    assert!(heads[1].contains(FOR_PROXY), "{}", heads[1]);
}

#[test]
fn a_proxy_on_another_machine_gets_no_password_in_the_clear() {
    for kind in ["http", "socks5", "socks5h"] {
        for url in ["http://192.0.2.2/", "https://192.0.2.2/"] {
            let address = format!("{kind}://puser:canary@192.0.2.1:9");
            let short = ["--proxy", &address, "--connect-timeout", "1s"];
            let attempt = download(url, &short).fails(76).says("--plain");
            assert!(!attempt.run.stderr.contains("canary"));
            let allowed = download(url, &[&short[..], &["--plain"]].concat());
            assert!(!allowed.run.stderr.contains("--plain"));
        }
    }
}

#[test]
fn this_machine_is_another_one_behind_a_proxy() {
    let proxy = talker(|_, _| response("401 No", &["WWW-Authenticate: Basic realm=\"x\""], b""));
    let address = through("", proxy.server.port());
    let url = "http://fred:secret@localhost:1/";
    for options in [&[][..], &["--auth", "basic"]] {
        let options = [&["--proxy", &address][..], options].concat();
        download(url, &options).fails(76).says("--plain");
    }
    assert!(!proxy.heard().contains("uthorization"), "{}", proxy.heard());
    download(url, &["--proxy", &address, "--plain"]).fails(77);
    assert!(proxy.heard().contains(FOR_ORIGIN), "{}", proxy.heard());
    // Nor does a name help when another machine is dialled in its place.
    let options = ["--connect-to", "192.0.2.1:9", "--connect-timeout", "1s"];
    let options = [&options[..], &["--auth", "basic"]].concat();
    download(url, &options).fails(76).says("--plain");
}

#[test]
fn a_variable_that_a_request_can_set_names_no_proxy() {
    // HTTP_PROXY is what a CGI server makes of the field "Proxy" (CVE-2016-5385).
    let trap = Trap::set().unwrap();
    let server = talker(|_, _| ok(b"here"));
    let mut command = command(&["http-get", &server.url("/")]);
    command.env("HTTP_PROXY", through("", trap.port()));
    assert_eq!(Run::from(command.output().unwrap()).exits(0).text(), "here");
    assert!(!trap.was_touched());
}

#[test]
fn exceptions_mean_what_they_say() {
    for (except, reached) in [
        ("localhost", true),
        (".localhost", true),
        ("*", true),
        ("example.com localhost", true),
        ("example.com,LOCALHOST", true),
        ("localhost:PORT", true),
        ("localhost:1", false),
        ("ocalhost", false),
        ("localhost.example", false),
        ("", false),
        ("127.0.0.0/8", false),
    ] {
        let origin = talker(|_, _| ok(b"direct"));
        let proxy = talker(|_, _| ok(b"proxy"));
        let port = origin.server.port().to_string();
        let mut command = command(&["http-get", &origin.url("/")]);
        command.env("http_proxy", through("", proxy.server.port()));
        command.env("no_proxy", except.replace("PORT", &port));
        let run = Run::from(command.output().unwrap()).exits(0);
        let expected = if reached { "direct" } else { "proxy" };
        assert_eq!(run.text(), expected, "{except}");
    }
}

#[test]
fn mad_socks_proxies_do_no_harm() {
    for (answers, codes) in [
        (&b"\x05\xff"[..], &[77][..]),
        (b"\x05\x02", &[77]),
        (b"\x04\x00", &[76]),
        (b"HTTP/1.1 400 No\r\n\r\n", &[76]),
        (b"\x05", &[75]),
        (b"\x05\x00\x05\x01\x00\x01\x00\x00\x00\x00\x00\x00", &[75]),
        (b"\x05\x00\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00", &[69]),
        (b"\x05\x00\x05\x00\x00\x02\x00\x00", &[76]),
        (b"\x05\x00\x05\x00\x01\x01\x00\x00\x00\x00\x00\x00", &[76]),
        (b"\x05\x00\x05\x00\x00\x03\xff\x00", &[75]),
        (b"\x05\x00\x05\x00\x00\x04\x00\x00", &[75]),
        // More bytes than the reply has: they would pass for the origin's.
        (
            b"\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00HTTP/1.1 200 OK\r\n\r\n",
            &[76],
        ),
    ] {
        let service = move |peer: &mut Peer, _: usize| {
            peer.read_exactly(3)?;
            peer.write_all(&answers[..answers.len().min(2)])?;
            if let Some(rest) = answers.get(2..).filter(|rest| !rest.is_empty()) {
                let mut request = [0; 300];
                peer.read_some(&mut request)?;
                peer.write_all(rest)?;
            }
            peer.flush()
        };
        let server = Server::start(Options::default(), Arc::new(service)).unwrap();
        let address = format!("socks5h://localhost:{}", server.port());
        let attempt = download("http://origin.example/", &["--proxy", &address]);
        let code = attempt.run.code;
        assert!(
            codes.contains(&code),
            "{answers:?}: {code} {}",
            attempt.run.stderr
        );
    }
    // A name that SOCKS cannot carry is never sent in part (CVE-2023-38545).
    let trap = Trap::set().unwrap();
    let address = format!("socks5h://localhost:{}", trap.port());
    let long = format!("http://{}.example/", ["a"; 200].join("."));
    download(&long, &["--proxy", &address]).fails(64);
    assert!(!trap.was_touched());
}
