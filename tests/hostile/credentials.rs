//! Passwords: to whom they are proved, how, and where they never appear.

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use proto_mock::http::{Protection, Scheme, Site};
use proto_mock::{Options, Server};

use super::{assert_harmless, download, ok, response, talker, Talker};
use crate::harness::{command, folder, Run, Running, Web};

fn log_in(url: &str, options: &[&str]) -> Run {
    let mut command = command(&["http-get", "-u", "fred", url]);
    command.args(options).env("PROTO_PASSWORD", "secret");
    let run = Run::from(command.output().unwrap());
    assert_harmless(&run);
    run
}

fn asking(challenges: &'static [&'static str]) -> Talker {
    talker(move |_, head| {
        let lines: Vec<String> = challenges
            .iter()
            .map(|text| format!("WWW-Authenticate: {text}"))
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        match head.contains("\nAuthorization: ") {
            true => ok(b"in"),
            false => response("401 Unauthorized", &lines, b""),
        }
    })
}

#[test]
fn a_nonce_that_is_stale_for_ever_does_not_loop() {
    let server = talker(|number, _| {
        let challenge = format!(
            "WWW-Authenticate: Digest realm=\"x\", nonce=\"{number}\", qop=\"auth\", stale=true, algorithm=SHA-256"
        );
        response("401 Unauthorized", &[&challenge], b"")
    });
    log_in(&server.url("/"), &[]).exits(77);
    assert_eq!(server.heads().len(), 3);
}

#[test]
fn a_wrong_password_is_said_once() {
    let server = talker(|_, _| {
        response(
            "401 Unauthorized",
            &["WWW-Authenticate: Basic realm=\"x\""],
            b"",
        )
    });
    log_in(&server.url("/"), &["--retry", "3"]).exits(77);
    assert_eq!(server.heads().len(), 2);
}

#[test]
fn the_strongest_offer_is_taken_in_whatever_order_they_come() {
    const MD5: &str = "Digest realm=\"x\", nonce=\"n\", qop=\"auth\", algorithm=MD5";
    const SHA: &str = "Digest realm=\"x\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256";
    const BASIC: &str = "Basic realm=\"x\"";
    const OTHER: &str = "Digest realm=\"x\", nonce=\"n\", algorithm=CRC32";
    const NONE: &str = "Negotiate, NTLM";
    for (challenges, said) in [
        (&[BASIC, MD5, SHA][..], "algorithm=SHA-256"),
        (&[SHA, MD5, BASIC], "algorithm=SHA-256"),
        (&[NONE, BASIC, MD5], "algorithm=MD5"),
        (&[MD5], "algorithm=MD5"),
        (&[OTHER, MD5], "algorithm=MD5"),
        (&[OTHER, BASIC, NONE], "Authorization: Basic "),
    ] {
        let server = asking(challenges);
        log_in(&server.url("/"), &[]).exits(0);
        assert!(server.heard().contains(said), "{said}: {}", server.heard());
    }
    // What was asked for is never weakened.
    let server = asking(&[BASIC]);
    log_in(&server.url("/"), &["--auth", "digest"]).exits(77);
    let server = asking(&[OTHER, NONE]);
    log_in(&server.url("/"), &[]).exits(77);
    assert!(!server.heard().contains("Authorization"));
}

#[test]
fn what_a_challenge_quotes_is_quoted_again() {
    let server = asking(&["Digest realm=\"a\\\"b\\\\c\", nonce=\"n, x=\\\"y\", qop=\"auth\""]);
    log_in(&server.url("/"), &[]).exits(0);
    let heard = server.heard();
    assert!(heard.contains("realm=\"a\\\"b\\\\c\""), "{heard}");
    assert!(heard.contains("nonce=\"n, x=\\\"y\""), "{heard}");
}

#[test]
fn mad_challenges_do_no_harm() {
    for challenge in [
        "",
        ",",
        "=",
        "\"",
        "Digest",
        "Digest realm",
        "Digest realm=",
        "Digest realm=\"",
        "Digest realm=\"x\"",
        "Digest realm=\"x\", nonce=\"",
        "Digest nonce=\"n\", qop=\"auth-int\"",
        "Digest realm=\"x\", realm=\"y\", nonce=\"n\", nonce=\"m\"",
        "Digest realm=\"x\" nonce=\"n\"",
        "Digest ,,,, realm=x,,",
        "Basic",
        "Basic realm=\"x\", Basic realm=\"y\"",
        "Basic dG9rZW4=, Basic realm=\"x\"",
    ] {
        let line = format!("WWW-Authenticate: {challenge}");
        let server = talker(move |_, _| response("401 No", &[&line], b""));
        log_in(&server.url("/"), &[]).exits(77);
        assert!(server.heads().len() <= 3, "{challenge}");
    }
    // Thousands of challenges in one field.
    let many = format!(
        "WWW-Authenticate: {}",
        "Digest realm=x, nonce=n, ".repeat(2_000)
    );
    let server = talker(move |_, _| response("401 No", &[&many], b""));
    log_in(&server.url("/"), &[]).exits(77);
}

#[test]
fn a_password_does_not_go_in_the_clear_to_another_machine() {
    for options in [&["--auth", "basic"][..], &[]] {
        let server = asking(&["Basic realm=\"x\""]);
        let dial = format!("127.0.0.1:{}", server.server.port());
        let dialled = [&["--connect-to", &dial][..], options].concat();
        let run = log_in("http://far.example/", &dialled).exits(76);
        assert!(run.stderr.contains("--plain"), "{}", run.stderr);
        assert!(!server.heard().contains("Authorization"));
        let allowed = [&dialled[..], &["--plain"]].concat();
        log_in("http://far.example/", &allowed).exits(0);
    }
    // A proof by hash may.
    let server = asking(&["Digest realm=\"x\", nonce=\"n\", qop=\"auth\""]);
    let dial = format!("127.0.0.1:{}", server.server.port());
    log_in("http://far.example/", &["--connect-to", &dial]).exits(0);
}

#[test]
fn a_header_of_the_users_own_does_not_go_in_the_clear_to_another_machine() {
    let server = talker(|_, _| ok(b"here"));
    let dial = format!("127.0.0.1:{}", server.server.port());
    for header in ["Authorization: Bearer canary-7Q", "authorization:canary-7Q"] {
        let options = ["--connect-to", &dial, "--header", header];
        let attempt = download("http://far.example/", &options).fails(76);
        assert!(!attempt.run.stderr.contains(CANARY));
        assert!(!server.heard().contains(CANARY));
    }
    for (header, said) in [
        (
            "Authorization: Bearer canary-7Q",
            "\nAuthorization: Bearer canary-7Q\n",
        ),
        ("authorization:canary-7Q", "canary-7Q\n"),
    ] {
        let options = ["--connect-to", &dial, "--header", header, "--plain"];
        download("http://far.example/", &options).gives(b"here");
        assert!(server.heard().contains(said), "{}", server.heard());
    }
}

/// What a server heard for a path that said who asks.
fn said_for(server: &Talker, path: &str) -> Vec<String> {
    let heads = server.heads().into_iter();
    let heads = heads.filter(|head| head.starts_with(&format!("GET {path} ")));
    let lines = heads.filter_map(|head| {
        let line = head
            .lines()
            .find(|line| line.starts_with("Authorization: "));
        line.map(str::to_owned)
    });
    lines.collect()
}

/// "a:pa" and "b:pb".
const A: &str = "Authorization: Basic YTpwYQ==";
const B: &str = "Authorization: Basic YjpwYg==";

#[test]
fn each_url_of_an_origin_has_its_own_user() {
    for options in [&[][..], &["--auth", "basic"]] {
        let server =
            talker(
                |_, head| match (head.contains("\nAuthorization: "), head.contains("/lead ")) {
                    (false, _) => response("401 No", &["WWW-Authenticate: Basic realm=\"x\""], b""),
                    (true, true) => super::found("/led"),
                    (true, false) => ok(b"in"),
                },
            );
        let url = |user: &str, path: &str| {
            server
                .url(path)
                .replace("http://", &format!("http://{user}@"))
        };
        let folder = folder();
        let mut command = command(&["http-get", "--output-dir", "out"]);
        command.args([
            url("a:pa", "/x"),
            url("b:pb", "/y"),
            url("a:pa", "/z"),
            url("b:pb", "/lead"),
        ]);
        command.args(options).current_dir(folder.path());
        assert_harmless(&Run::from(command.output().unwrap()).exits(0));
        for (path, said) in [("/x", A), ("/y", B), ("/z", A), ("/lead", B), ("/led", B)] {
            assert_eq!(said_for(&server, path), [said], "{path}");
        }
    }
}

#[test]
fn a_password_that_is_given_is_for_one_user() {
    let (first, second) = (
        asking(&["Basic realm=\"x\""]),
        asking(&["Basic realm=\"x\""]),
    );
    let url = |server: &Talker, user: &str| {
        server
            .url("/")
            .replace("http://", &format!("http://{user}@"))
    };
    // Without a terminal nobody can be asked for the other one.
    let mut command = std::process::Command::new("setsid");
    command.args(["-w", env!("CARGO_BIN_EXE_proto"), "http-get", "--no-proxy"]);
    command.args([url(&first, "a"), url(&second, "b")]);
    let run = Run::from(command.env("PROTO_PASSWORD", "pa").output().unwrap()).exits(64);
    assert_harmless(&run);
    assert!(first.heard().contains(A), "{}", first.heard());
    assert!(
        !second.heard().contains("Authorization"),
        "{}",
        second.heard()
    );
    // With -u it belongs to that user, wherever the command goes.
    let mut command = crate::harness::command(&["http-get", "-u", "a"]);
    command.args([url(&first, "a"), url(&second, "b")]);
    let run = Run::from(command.env("PROTO_PASSWORD", "pa").output().unwrap()).exits(0);
    assert_harmless(&run);
    assert!(second.heard().contains(A), "{}", second.heard());
}

#[test]
fn a_password_on_the_command_line_is_warned_of_once() {
    let server = talker(|_, _| ok(b"in"));
    let url = |user: &str, path: &str| {
        server
            .url(path)
            .replace("http://", &format!("http://{user}"))
    };
    for (user, options, times) in [
        ("a:pa@", &["-j", "3"][..], 1),
        ("a:pa@", &["-q"], 0),
        ("a@", &[], 0),
        ("", &[], 0),
    ] {
        let folder = folder();
        let mut command = command(&["http-get", "--output-dir", "out"]);
        command
            .args([url(user, "/x"), url(user, "/y"), url(user, "/z")])
            .args(options);
        command
            .current_dir(folder.path())
            .env("PROTO_PASSWORD", "pa");
        let run = Run::from(command.output().unwrap()).exits(0);
        let told = run
            .stderr
            .matches("warning: a URL holds a password")
            .count();
        assert_eq!(told, times, "{user} {}", run.stderr);
    }
}

#[test]
fn a_password_in_what_is_no_url_is_hidden_too() {
    for wrong in [
        "http://fred:canary/7Q@localhost/",
        "http://fred:canary#7Q@localhost/",
        "fred:canary 7Q@localhost/?to=http://z/",
        "http://fred:canary-7Q@local host/",
    ] {
        let server = talker(|_, _| ok(b"here"));
        let folder = folder();
        let mut command = command(&["http-get", &server.url("/"), wrong]);
        command.args(["--transcript", "transcript", "--report", "report"]);
        let run = Run::from(command.current_dir(folder.path()).output().unwrap()).exits(64);
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let seen = run.stderr + &read("transcript") + &read("report");
        assert!(
            !seen.contains("canary") && !seen.contains("7Q"),
            "{wrong}: {seen}"
        );
    }
    let server = talker(|_, _| ok(b"here"));
    let url = server
        .url("/?to=http://z/")
        .replace("http://localhost", "fred:canary@localhost");
    let attempt = download(&url, &["--transcript", "transcript"]).gives(b"here");
    let transcript = fs::read_to_string(attempt.path().join("transcript")).unwrap();
    assert!(!transcript.contains("canary"), "{transcript}");
}

#[test]
fn a_token_does_not_go_in_the_clear_to_another_machine() {
    let server = asking(&["Bearer"]);
    let dial = format!("127.0.0.1:{}", server.server.port());
    let run = crate::harness::proto(&[
        "http-get",
        "--token-command",
        "echo canary",
        "--connect-to",
        &dial,
        "http://far.example/",
    ]);
    assert_eq!(run.code, 76, "{}", run.stderr);
    assert!(!run.stderr.contains("canary"));
    assert!(!server.heard().contains("canary"));
}

#[test]
fn names_that_only_look_like_this_machine_are_another() {
    let server = asking(&["Basic realm=\"x\""]);
    let dial = format!("127.0.0.1:{}", server.server.port());
    for host in [
        "localhost.example",
        "127.0.0.1.example",
        "notlocalhost",
        "128.0.0.1",
    ] {
        let url = format!("http://{host}/");
        log_in(&url, &["--connect-to", &dial, "--auth", "basic"]).exits(76);
    }
    assert!(!server.heard().contains("Authorization"));
}

#[test]
fn user_information_is_never_said_nor_shown() {
    let server = talker(|number, _| match number {
        1 => super::found("/next"),
        2 => response("404 Not Found", &[], b""),
        _ => ok(b"here"),
    });
    let url = server
        .url("/start")
        .replace("http://", "http://fred:canary@");
    let attempt = download(&url, &["--trace", "--report", "report"]).fails(69);
    let report = fs::read_to_string(attempt.path().join("report")).unwrap();
    let all = [server.heard(), attempt.run.stderr.clone(), report].concat();
    assert!(!all.contains("canary"), "{all}");
    assert!(!server.heard().contains("fred"), "{}", server.heard());
    assert!(!server.heard().contains("Referer"), "{}", server.heard());
    // Nor is it written beside a file that is not whole.
    let web = Web::serve(&[]);
    let url = web.url("/mock/truncated/mock/bytes/300000");
    let url = url.replace("http://", "http://fred:canary@");
    let attempt = download(&url, &[]).fails(75);
    let origin = fs::read_to_string(attempt.path().join("file.part.json")).unwrap();
    assert!(!origin.contains("canary"), "{origin}");
}

/// What must not appear anywhere, and every form that it takes on its way.
const CANARY: &str = "canary-7Q";
const FORMS: [&str; 5] = [
    CANARY,
    "Y2FuYXJ5LTdR",
    "ZnJlZDpjYW5hcnktN1E=",
    "63616e6172792d3751",
    "63616E6172792D3751",
];

fn protected(scheme: Scheme) -> Server {
    let mut site = Site::default();
    site.protect = Some(Protection {
        scheme,
        user: "fred".to_owned(),
        password: CANARY.to_owned(),
    });
    Server::start(Options::default(), Arc::new(site)).unwrap()
}

#[test]
fn a_password_appears_nowhere() {
    for scheme in [Scheme::Basic, Scheme::Digest] {
        for source in ["file", "command", "environment", "url", "bare url", "netrc"] {
            for path in [
                "mock/headers",
                "mock/bytes/100000",
                "mock/status/404",
                "mock/redirect/1",
            ] {
                leaves_no_trace(scheme, source, path);
            }
        }
    }
}

fn leaves_no_trace(scheme: Scheme, source: &str, path: &str) {
    let server = protected(scheme);
    let port = server.port();
    let folder = folder();
    let home = folder.path();
    fs::write(home.join("password"), format!("{CANARY}\n")).unwrap();
    super::netrc::write(
        home,
        &format!("machine localhost login fred password {CANARY}"),
    );
    let url = match source {
        "url" => format!("http://fred:{CANARY}@localhost:{port}/{path}"),
        "bare url" => format!("fred:{CANARY}@localhost:{port}/{path}"),
        _ => format!("http://localhost:{port}/{path}"),
    };
    let mut command = command(&["http-get", "--output-dir", "out", "--trace", "-v", &url]);
    command.args(["--transcript", "transcript", "--report", "report"]);
    command.current_dir(home).env("HOME", home);
    match source {
        "file" => command.args(["-u", "fred", "--password-file", "password"]),
        "command" => command.args(["-u", "fred", "--password-command", "cat password"]),
        "environment" => command.args(["-u", "fred"]).env("PROTO_PASSWORD", CANARY),
        "netrc" => command.arg("--netrc"),
        _ => &mut command,
    };
    let run = Run::from(command.output().unwrap());
    assert_harmless(&run);
    assert!(
        matches!(run.code, 0 | 69),
        "{source} {path}: {}",
        run.stderr
    );
    let mut seen = run.text() + &run.stderr;
    for name in ["transcript", "report"] {
        seen += &fs::read_to_string(home.join(name)).unwrap();
    }
    // What the mirror sends back is the server's to say, and shown as it is.
    if path == "mock/headers" {
        seen = seen
            .lines()
            .filter(|line| !line.starts_with("S| "))
            .collect();
    }
    for form in FORMS {
        assert!(
            !seen.contains(form),
            "{scheme:?} {source} {path}: {form} in {seen}"
        );
    }
}

#[test]
fn secrets_in_options_are_blanked_in_the_transcript() {
    for option in [
        ["--header", "Authorization: Bearer canary-7Q"],
        ["--header", "Cookie: session=canary-7Q"],
        ["--header", "authorization:canary-7Q"],
    ] {
        let server = talker(|_, _| ok(b"here"));
        let attempt = download(
            &server.url("/"),
            &[
                &option[..],
                &[
                    "--trace",
                    "--transcript",
                    "transcript",
                    "--report",
                    "report",
                ],
            ]
            .concat(),
        );
        let attempt = attempt.gives(b"here");
        let read = |name: &str| fs::read_to_string(attempt.path().join(name)).unwrap();
        let seen = attempt.run.stderr.clone() + &read("transcript") + &read("report");
        assert!(!seen.contains(CANARY), "{option:?}: {seen}");
        assert!(server.heard().contains(CANARY));
    }
}

#[test]
fn the_password_of_a_proxy_is_blanked_too() {
    for option in ["--proxy", "--proxy="] {
        let server = talker(|_, _| ok(b"here"));
        let proxy = format!("http://fred:{CANARY}@localhost:{}", server.server.port());
        let joined = format!("{option}{proxy}");
        let option = match option {
            "--proxy" => vec!["--proxy", &proxy],
            _ => vec![&joined[..]],
        };
        let more = [
            "--trace",
            "-v",
            "--transcript",
            "transcript",
            "--report",
            "report",
        ];
        let attempt = download("http://origin.example/", &[&option[..], &more].concat());
        let attempt = attempt.gives(b"here");
        let read = |name: &str| fs::read_to_string(attempt.path().join(name)).unwrap();
        let seen = attempt.run.stderr.clone() + &read("transcript") + &read("report");
        for form in FORMS {
            assert!(!seen.contains(form), "{option:?}: {form} in {seen}");
        }
    }
}

#[test]
fn a_transcript_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let server = talker(|_, _| ok(b"here"));
    let attempt = download(&server.url("/"), &["--transcript", "transcript"]).gives(b"here");
    let metadata = fs::metadata(attempt.path().join("transcript")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_password_is_not_in_the_list_of_processes() {
    let silent = Web::with(
        &[],
        Options {
            faults: vec![proto_mock::Fault::Silence],
            ..Options::default()
        },
    );
    let folder = folder();
    fs::write(folder.path().join("password"), CANARY).unwrap();
    let mut command = command(&[
        "http-get",
        "-u",
        "fred",
        "--auth",
        "basic",
        &silent.url("/"),
    ]);
    command
        .args(["--password-file", "password"])
        .current_dir(folder.path());
    let child = Running(command.spawn().unwrap());
    while silent.server.connections() == 0 {
        thread::sleep(Duration::from_millis(5));
    }
    for name in ["cmdline", "environ"] {
        let bytes = fs::read(format!("/proc/{}/{name}", child.0.id())).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.is_empty());
        assert!(!text.contains(CANARY), "{text}");
    }
}

#[test]
fn a_password_command_does_not_see_what_it_does_not_need() {
    let server = asking(&["Basic realm=\"x\""]);
    let run = crate::harness::proto(&[
        "http-get",
        "-u",
        "fred",
        "--password-command",
        "echo 'a b' ; touch evil && x",
        &server.url("/"),
    ]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    // There is no shell: all of it was printed by echo. "fred:a b ; touch evil && x"
    let basic = "Authorization: Basic ZnJlZDphIGIgOyB0b3VjaCBldmlsICYmIHg=";
    assert!(server.heard().contains(basic), "{}", server.heard());
}
