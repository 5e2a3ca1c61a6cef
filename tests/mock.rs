//! `proto mock`: the servers as programs.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{authority, command, folder, names, proto, Run, Running};

/// Starts a mock server and gives it with the URL that it announces.
fn start(arguments: &[&str]) -> (Running, String) {
    let mut child = command(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut url)
        .unwrap();
    (Running(child), url.trim().to_owned())
}

#[test]
fn a_folder_is_served_until_told_to_stop() {
    let folder = folder();
    fs::write(folder.path().join("a.txt"), "hello\n").unwrap();
    let ports = folder.path().join("ports.json");
    let dir = folder.path().to_str().unwrap();
    let (mut server, url) = start(&[
        "mock",
        "http",
        "--dir",
        dir,
        "--ports-file",
        ports.to_str().unwrap(),
    ]);
    let port: Value = serde_json::from_str(&fs::read_to_string(&ports).unwrap()).unwrap();
    assert_eq!(url, format!("http://127.0.0.1:{}/", port["http"]));
    assert_eq!(
        proto(&["http-get", &format!("{url}a.txt")]).exits(0).stdout,
        b"hello\n"
    );
    let pid = server.0.id().to_string();
    let killed = std::process::Command::new("kill")
        .arg(&pid)
        .status()
        .unwrap();
    assert!(killed.success());
    assert_eq!(server.0.wait().unwrap().code(), Some(0), "a clean stop");
}

#[test]
fn tls_and_protection_are_options() {
    let (_server, url) = start(&[
        "mock",
        "http",
        "--tls",
        "--protect",
        "digest",
        "--user",
        "anna:pw",
    ]);
    assert!(url.starts_with("https://"), "{url}");
    let url = format!("{url}mock/headers");
    let ca = authority();
    proto(&["http-get", &url, "--ca", &ca]).exits(77);
    proto(&[
        "http-get",
        &url,
        "--ca",
        &ca,
        "-u",
        "anna",
        "--password-command",
        "echo pw",
    ])
    .exits(0);
}

#[test]
fn faults_are_listed_and_happen() {
    let list = proto(&["mock", "http", "--fault", "help"]).exits(0).text();
    assert!(list.contains("drip") && list.contains("silence"), "{list}");
    proto(&["mock", "http", "--fault", "nonsense"])
        .exits(64)
        .says("drip");
    let (_server, url) = start(&["mock", "http", "--fault", "cut=10"]);
    proto(&["http-get", &url]).exits(75);
}

#[test]
fn a_wrong_folder_or_port_is_told() {
    proto(&["mock", "http", "--dir", "/nonexistent"]).exits(64);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    proto(&["mock", "http", "--port", &port])
        .exits(74)
        .says("listening");
}

#[test]
fn a_session_is_replayed_and_judged() {
    let folder = folder();
    let path = folder.path().join("hello.session");
    fs::write(
        &path,
        "C: GET / HTTP/1.1\nC: Host: (any)\nC: User-Agent: (any)\nC: Accept: */*\n\
        C: Accept-Encoding: (any)\nC:\nS: HTTP/1.1 200 OK\nS: Content-Length: 3\nS:\nS| hi\\n\n",
    )
    .unwrap();
    let (server, url) = start(&["mock", "replay", path.to_str().unwrap()]);
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    assert_eq!(proto(&["http-get", &url]).exits(0).stdout, b"hi\n");
    assert_eq!(ended(server).code, 0);
    let (server, url) = start(&["mock", "replay", path.to_str().unwrap()]);
    proto(&["http-head", &url]).exits(75);
    let run = ended(server).exits(76);
    run.says("line 1").says("HEAD / HTTP/1.1");
    fs::write(&path, "X: nonsense\n").unwrap();
    proto(&["mock", "replay", path.to_str().unwrap()])
        .exits(64)
        .says("line 1");
}

/// Waits for a server that ends by itself.
fn ended(mut server: Running) -> Run {
    let mut stderr = String::new();
    let mut pipe = server.0.stderr.take().unwrap();
    std::io::Read::read_to_string(&mut pipe, &mut stderr).unwrap();
    Run {
        code: server.0.wait().unwrap().code().unwrap_or(-1),
        stdout: Vec::new(),
        stderr,
    }
}

#[test]
fn completions_and_manual_are_written() {
    for shell in ["bash", "zsh", "fish"] {
        let script = proto(&["completions", shell]).exits(0).text();
        assert!(script.contains("http-get"), "{shell}");
    }
    let folder = folder();
    let manual = folder.path().join("man");
    proto(&["manual", manual.to_str().unwrap()]).exits(0);
    let pages = names(&manual);
    for page in ["proto.1", "proto-http-get.1", "proto-mock-http.1"] {
        assert!(pages.contains(&page.to_owned()), "{pages:?}");
    }
}
