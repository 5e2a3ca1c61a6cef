//! Credentials and TLS.

use std::fs;

use super::{report, web, PAGE};
use crate::harness::{authority, command, folder, proto, proto_in, tls, tls_as, Run, Web};

#[test]
fn credentials_answer_only_when_asked() {
    let web = web();
    let secret = ["-u", "fred", "--password-command", "echo secret"];
    for scheme in ["basic", "digest"] {
        let url = web.url(&format!("/mock/{scheme}/page.html"));
        let before = web.site.requests().len();
        let run = proto(&[&["http-get", &url][..], &secret].concat()).exits(0);
        assert_eq!(run.stdout, PAGE);
        assert_eq!(
            web.site.requests().len(),
            before + 2,
            "{scheme}: asked, answered"
        );
        proto(&["http-get", &url]).exits(77).says("401");
        proto(&[
            "http-get",
            &url,
            "-u",
            "fred",
            "--password-command",
            "echo wrong",
        ])
        .exits(77);
    }
    let url = web
        .url("/mock/basic/page.html")
        .replace("//", "//fred:secret@");
    assert_eq!(proto(&["http-get", &url]).exits(0).stdout, PAGE);
    let token = ["--token-command", "echo letmein"];
    let url = web.url("/mock/bearer/page.html");
    assert_eq!(
        proto(&[&["http-get", &url][..], &token].concat())
            .exits(0)
            .stdout,
        PAGE
    );
}

#[test]
fn digest_survives_nonces_that_go_stale() {
    let (web, folder) = (web(), folder());
    let list: String = (0..8)
        .map(|n| format!("{}?{n}\n", web.url("/mock/digest/a")))
        .collect();
    fs::write(folder.path().join("list"), list).unwrap();
    let arguments = [
        "http-get",
        "-i",
        "list",
        "-u",
        "fred",
        "--password-command",
        "echo secret",
    ];
    let run = proto_in(folder.path(), &arguments).exits(0);
    assert_eq!(run.stdout, b"AAAAAAAA");
}

#[test]
fn passwords_come_from_file_environment_and_netrc() {
    let (web, folder) = (web(), folder());
    let url = web.url("/mock/basic/page.html");
    fs::write(folder.path().join("password"), "secret\nrest\n").unwrap();
    proto_in(
        folder.path(),
        &[
            "http-get",
            &url,
            "-u",
            "fred",
            "--password-file",
            "password",
        ],
    )
    .exits(0);
    let mut run = command(&["http-get", &url, "-u", "fred"]);
    Run::from(run.env("PROTO_PASSWORD", "secret").output().unwrap()).exits(0);
    let netrc = folder.path().join("netrc");
    fs::write(&netrc, "machine localhost login fred password secret\n").unwrap();
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&netrc, fs::Permissions::from_mode(0o600)).unwrap();
    let mut run = command(&["http-get", &url, "--netrc"]);
    Run::from(run.env("NETRC", &netrc).output().unwrap()).exits(0);
}

#[test]
fn tls_is_verified() {
    let web = Web::with(&[("page.html", PAGE)], tls());
    let url = web.url("/page.html");
    assert_eq!(
        proto(&["http-get", &url, "--ca", &authority()])
            .exits(0)
            .stdout,
        PAGE
    );
    proto(&["http-get", &url]).exits(77).says("--ca FILE");
    let run = proto(&["http-get", &url, "--insecure"]).exits(0);
    run.says("warning");
    for (name, why) in [
        ("wrong", "hostname mismatch"),
        ("expired", "expired"),
        ("selfsigned", "self-signed"),
    ] {
        let web = Web::with(&[("page.html", PAGE)], tls_as(name));
        proto(&["http-get", &web.url("/page.html"), "--ca", &authority()])
            .exits(77)
            .says(why);
    }
}

#[test]
fn a_pin_holds_the_key() {
    let (web, folder) = (Web::with(&[("page.html", PAGE)], tls()), folder());
    let url = web.url("/page.html");
    let report_path = folder.path().join("report");
    let arguments = [
        "http-get",
        &url,
        "--ca",
        &authority(),
        "--report",
        report_path.to_str().unwrap(),
    ];
    proto(&arguments).exits(0);
    let record = &report(&report_path)[0];
    let certificate = &record["tls"]["certificate"];
    assert_eq!(certificate["subject"], "CN=localhost");
    assert!(
        certificate["names"]
            .as_array()
            .unwrap()
            .contains(&"127.0.0.1".into()),
        "{certificate}"
    );
    let pin = format!("sha256:{}", certificate["key_sha256"].as_str().unwrap());
    proto(&["http-get", &url, "--ca", &authority(), "--pin", &pin]).exits(0);
    let other = format!("sha256:{}", "00".repeat(32));
    let run = proto(&["http-get", &url, "--ca", &authority(), "--pin", &other]).exits(77);
    run.says(&pin);
    proto(&["http-get", &url, "--insecure", "--pin", &other]).exits(77);
}
