//! `proto mock`: the servers as programs.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{authority, command, folder, names, proto, Run, Running, Web};

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
fn the_file_of_ports_replaces_nothing_but_itself() {
    let folder = folder();
    let file = |name: &str| folder.path().join(name);
    fs::write(file("ports.new"), "mine").unwrap();
    fs::write(file("ports.json"), "old").unwrap();
    let ports = file("ports.json");
    let (_server, _) = start(&["mock", "http", "--ports-file", ports.to_str().unwrap()]);
    assert_eq!(names(folder.path()), ["ports.json", "ports.new"]);
    assert_eq!(fs::read_to_string(file("ports.new")).unwrap(), "mine");
    assert!(fs::read_to_string(ports).unwrap().contains("http"));
}

/// Plays a session with these options.
fn replay(folder: &Path, session: &str, options: &[&str]) -> (Running, String) {
    let path = folder.join("a.session");
    fs::write(&path, session).unwrap();
    start(&[&["mock", "replay", path.to_str().unwrap()], options].concat())
}

#[test]
fn a_replay_stops_when_its_time_is_over() {
    let folder = folder();
    let short = ["--stop-after", "200ms"];
    // Nobody came.
    let (server, _) = replay(folder.path(), "C: a\n", &short);
    ended(server).exits(76).says("did not make 1 connection");
    // The conversation would take longer.
    let (server, url) = replay(folder.path(), "= wait 60s\n", &short);
    let address = url.trim_start_matches("tcp://").trim_end_matches('/');
    let _connection = std::net::TcpStream::connect(address).unwrap();
    ended(server).exits(76).says("still under way");
}

#[test]
fn a_replay_takes_as_long_as_its_session_says() {
    let folder = folder();
    let session = "= wait 7s\nS: hello\n= connection 2\nS: again\n";
    let (server, url) = replay(folder.path(), session, &[]);
    let address = url.trim_start_matches("tcp://").trim_end_matches('/');
    for expected in ["hello\r\n", "again\r\n"] {
        let mut connection = std::net::TcpStream::connect(address).unwrap();
        connection.shutdown(std::net::Shutdown::Write).unwrap();
        let heard = std::io::read_to_string(&mut connection).unwrap();
        assert_eq!(heard, expected);
        // A client may take its time between two connections.
        std::thread::sleep(std::time::Duration::from_millis(700));
    }
    ended(server).exits(0);
}

#[test]
fn commands_get_the_certificate_variables_as_the_user_had_them() {
    let web = Web::serve(&[("a", b"A")]);
    let folder = folder();
    // Such a pair is what we read in our own way.
    let (bundle, hashed) = (folder.path().join("bundle"), folder.path().join("hashed"));
    fs::write(&bundle, vec![b'\n'; 100_000]).unwrap();
    fs::create_dir(&hashed).unwrap();
    fs::write(hashed.join("0a775a30.0"), "").unwrap();
    let (bundle, hashed) = (bundle.to_str().unwrap(), hashed.to_str().unwrap());
    for (file, directory) in [
        (None, None),
        (Some(bundle), None),
        (None, Some(hashed)),
        (Some(bundle), Some(hashed)),
    ] {
        let seen = folder.path().join("seen");
        let print = format!("sh -c \"env > {}; echo secret\"", seen.display());
        let url = web.url("/mock/basic/a");
        let mut command = command(&["http-get", &url, "-u", "fred", "--password-command", &print]);
        for (name, value) in [("SSL_CERT_FILE", file), ("SSL_CERT_DIR", directory)] {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let run = Run::from(command.output().unwrap()).exits(0);
        assert_eq!(run.stdout, b"A");
        let seen = fs::read_to_string(seen).unwrap();
        for (name, value) in [("SSL_CERT_FILE", file), ("SSL_CERT_DIR", directory)] {
            let start = format!("{name}=");
            let found = seen.lines().find_map(|line| line.strip_prefix(&start));
            assert_eq!(found, value, "{name}");
        }
    }
}
