//! `gopher-get` and `gopher-menu` against gophernicus.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

use super::{id, program};
use crate::harness::{folder, proto, proto_in};

/// A folder that gophernicus serves: it is started for each connection, as by inetd.
struct Gophernicus {
    root: tempfile::TempDir,
    port: u16,
}

impl Gophernicus {
    fn start() -> Option<Gophernicus> {
        let program = program("gophernicus", "gophernicus")?;
        let root = folder();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_root = id(&["-u"]) == 0;
        let mut command = Command::new(program);
        command
            .args(["-h", "localhost", "-p", &port.to_string(), "-nu", "-r"])
            .arg(root.path())
            .stderr(Stdio::null());
        if is_root {
            // It does not run as root.
            command
                .uid(id(&["-u", "nobody"]))
                .gid(id(&["-g", "nobody"]));
        }
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let other = stream.try_clone().unwrap();
                command
                    .stdin(Stdio::from(OwnedFd::from(stream)))
                    .stdout(Stdio::from(OwnedFd::from(other)));
                let child = command.spawn();
                // The connection is over when nobody has it any more.
                command.stdin(Stdio::null()).stdout(Stdio::null());
                thread::spawn(move || child.map(|mut child| child.wait()));
            }
        });
        Some(Gophernicus { root, port })
    }

    fn write(&self, name: &str, content: &[u8], mode: u32) {
        let path = self.root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn url(&self, path: &str) -> String {
        format!("gopher://localhost:{}/{path}", self.port)
    }
}

#[test]
fn menus_texts_binaries_and_searches() {
    let Some(server) = Gophernicus::start() else {
        return;
    };
    let binary: Vec<u8> = (0..1_000_003_u32)
        .map(|n| (n.wrapping_mul(n) >> 3) as u8)
        .collect();
    server.write("a.bin", &binary, 0o644);
    server.write("b.txt", ".\n..two\nüml\n".as_bytes(), 0o644);
    server.write("sub/c.txt", b"c\n", 0o644);
    let script = b"#!/bin/sh\nprintf 'iYou want %s\\t\\t\\t\\r\\n.\\r\\n' \"$QUERY_STRING\"\n";
    server.write("cgi-bin/find", script, 0o755);

    let run = proto(&["gopher-menu", &server.url(""), "--json"]).exits(0);
    let rows: Vec<Value> = run
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let named = |name: &str| {
        let is_named = |row: &&Value| row["selector"].as_str().unwrap().contains(name);
        rows.iter().find(is_named).unwrap()
    };
    assert_eq!(named("a.bin")["kind"], "binary");
    assert_eq!(named("b.txt")["kind"], "text");
    assert_eq!(named("sub")["kind"], "menu");

    let place = folder();
    proto_in(place.path(), &["gopher-get", &server.url("9/a.bin"), "-O"]).exits(0);
    assert!(fs::read(place.path().join("a.bin")).unwrap() == binary);
    let run = proto(&["gopher-get", &server.url("0/b.txt")]).exits(0);
    assert_eq!(run.text(), ".\r\n..two\r\nüml\r\n");
    let number = named("sub")["number"].to_string();
    // The first item of a folder leads back.
    let follow = ["--follow", &number, "--follow", "2"];
    let url = server.url("");
    let run = proto(&[&["gopher-menu", url.as_str()], &follow[..]].concat()).exits(0);
    assert_eq!(run.text(), "c\r\n");
    let url = server.url("7/cgi-bin/find?two%20words");
    let run = proto(&["gopher-menu", &url]).exits(0);
    assert_eq!(run.text().trim(), "You want two words");
    // What is not there is told as a menu with nothing but an error, or as a text.
    let run = proto(&["gopher-menu", &server.url("1/none")]);
    assert!(
        run.code == 69 || run.stderr.contains("error message"),
        "{run:?}"
    );
}
