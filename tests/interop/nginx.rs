//! `http-get` and `http-head` against nginx.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::{free_ports, program};
use crate::harness::{authority, command, folder, names, proto, proto_in, repository, Running};

/// A running nginx over a folder of its own.
struct Nginx {
    folder: tempfile::TempDir,
    http: u16,
    https: u16,
    strict: u16,
    _process: Running,
}

/// What is served for checking bodies: size and name.
const FILES: [(&str, usize); 4] = [
    ("empty", 0),
    ("small", 54),
    ("1m", 1 << 20),
    ("256m", 256 << 20),
];

impl Nginx {
    fn start() -> Option<Nginx> {
        let nginx = program("nginx", "nginx")?;
        // Another process may take a port between the choice and the start.
        let mut why = String::new();
        for _ in 0..5 {
            match Nginx::try_start(&nginx) {
                Ok(nginx) => return Some(nginx),
                Err(said) => why = said,
            }
        }
        panic!("{} does not start: {why}", nginx.display());
    }

    /// What it said, if it does not start.
    fn try_start(nginx: &Path) -> Result<Nginx, String> {
        let folder = folder();
        let [http, https, strict] = free_ports();
        fs::create_dir_all(folder.path().join("root/many")).unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        fs::write(folder.path().join("users"), "alice:{PLAIN}secret\n").unwrap();
        fs::write(
            folder.path().join("nginx.conf"),
            configuration(folder.path(), http, https, strict),
        )
        .unwrap();
        let process = Command::new(nginx)
            .arg("-p")
            .arg(folder.path())
            .arg("-c")
            .arg(folder.path().join("nginx.conf"))
            .args(["-e", "stderr"])
            .stderr(fs::File::create(folder.path().join("said")).unwrap())
            .spawn()
            .unwrap();
        let mut process = Running(process);
        while TcpStream::connect(("127.0.0.1", strict)).is_err() {
            if process.0.try_wait().unwrap().is_some() {
                return Err(fs::read_to_string(folder.path().join("said")).unwrap());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Nginx {
            folder,
            http,
            https,
            strict,
            _process: process,
        })
    }

    fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("root")
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.root().join(name), content).unwrap();
    }

    fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.http)
    }

    fn tls_url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.https)
    }

    /// The same over both.
    fn urls(&self, path: &str) -> [String; 2] {
        [self.url(path), self.tls_url(path)]
    }
}

fn configuration(folder: &Path, http: u16, https: u16, strict: u16) -> String {
    let (folder, certificates) = (folder.display(), repository().join("samples/certificates"));
    let certificates = certificates.display();
    let site = format!(
        "root {folder}/root;
        location /private/ {{ auth_basic lab; auth_basic_user_file {folder}/users; alias {folder}/root/; }}
        location /slow/ {{ limit_rate 200k; alias {folder}/root/; }}
        location = /chain/0 {{ return 302 /small; }}
        location ~ ^/chain/([1-9])$ {{ return 302 /chain/0; }}
        location = /status/404 {{ return 404 missing; }}
        location = /status/500 {{ return 500 broken; }}
        location = /status/503 {{ return 503 later; }}"
    );
    let hops: String = (1..=11)
        .map(|hop| format!("location = /hop/{hop} {{ return 302 /hop/{}; }}\n", hop - 1))
        .collect();
    format!(
        "daemon off; master_process off; pid {folder}/pid;
        events {{ worker_connections 512; }}
        http {{
            access_log off; error_log /dev/null;
            client_body_temp_path {folder}/tmp/b; proxy_temp_path {folder}/tmp/p;
            fastcgi_temp_path {folder}/tmp/f; uwsgi_temp_path {folder}/tmp/u; scgi_temp_path {folder}/tmp/s;
            types {{ text/plain txt; }} default_type application/octet-stream;
            gzip on; gzip_types text/plain; gzip_min_length 0; absolute_redirect off;
            ssl_certificate {certificates}/localhost.crt; ssl_certificate_key {certificates}/localhost.key;
            server {{ listen 127.0.0.1:{http}; listen 127.0.0.1:{https} ssl; {site}
                location = /hop/0 {{ return 302 /small; }} {hops} }}
            server {{ listen 127.0.0.1:{strict} ssl; ssl_protocols TLSv1.3;
                ssl_verify_client on; ssl_client_certificate {certificates}/authority.crt; {site} }}
        }}"
    )
}

/// Bytes that no compression shortens and no shift repeats.
fn content(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    proto_mock::http::fill(7, &mut bytes);
    bytes
}

#[test]
fn files_of_every_size_arrive_over_http_and_https() {
    let Some(nginx) = Nginx::start() else { return };
    let here = folder();
    for (name, length) in FILES {
        let expected = content(length);
        nginx.write(name, &expected);
        for url in nginx.urls(&format!("/{name}")) {
            let run = proto_in(
                here.path(),
                &["http-get", &url, "-O", "--force", "--ca", &authority()],
            );
            run.exits(0);
            assert!(
                fs::read(here.path().join(name)).unwrap() == expected,
                "{url}"
            );
        }
    }
    let sum = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    let url = nginx.url("/small");
    proto(&["http-get", &url, "-o", "/dev/null", "--checksum", sum]).exits(76);
}

#[test]
fn the_body_of_a_large_file_matches_its_digest() {
    let Some(nginx) = Nginx::start() else { return };
    nginx.write("256m", &content(256 << 20));
    let sum = Command::new("sha256sum")
        .arg(nginx.root().join("256m"))
        .output()
        .unwrap();
    let sum = format!("sha256:{}", String::from_utf8_lossy(&sum.stdout[..64]));
    let here = folder();
    for url in nginx.urls("/256m") {
        let arguments = [
            "http-get",
            &url,
            "-O",
            "--force",
            "--ca",
            &authority(),
            "--checksum",
            &sum,
        ];
        proto_in(here.path(), &arguments).exits(0);
    }
}

#[test]
fn redirects_areas_and_errors_end_as_they_should() {
    let Some(nginx) = Nginx::start() else { return };
    nginx.write("small", b"small\n");
    let ca = authority();
    let get = |url: &str, more: &[&str]| proto(&[&["http-get", url, "--ca", &ca], more].concat());
    for base in nginx.urls("") {
        let hop = |number| format!("{base}/hop/{number}");
        assert_eq!(get(&hop(9), &[]).exits(0).stdout, b"small\n");
        get(&hop(10), &[]).exits(65);
        let private = format!("{base}/private/small");
        let log_in = ["-u", "alice", "--password-command"];
        get(&private, &[]).exits(77);
        get(&private, &[&log_in[..], &["echo wrong"]].concat()).exits(77);
        let run = get(&private, &[&log_in[..], &["echo secret"]].concat());
        assert_eq!(run.exits(0).stdout, b"small\n");
        let here = folder();
        for (status, code) in [("404", 69), ("500", 69), ("503", 75)] {
            let url = format!("{base}/status/{status}");
            proto_in(here.path(), &["http-get", &url, "-O", "--ca", &ca]).exits(code);
            assert!(names(here.path()).is_empty());
        }
        let url = format!("{base}/small");
        let head = proto(&["http-head", &url, "--ca", &ca]).exits(0).text();
        assert!(head.contains("Content-Length: 6"), "{head}");
    }
}

#[test]
fn a_report_tells_how_the_connection_was_secured() {
    let Some(nginx) = Nginx::start() else { return };
    let here = folder();
    nginx.write("small", b"small\n");
    for (url, is_secure) in nginx.urls("/small").iter().zip([false, true]) {
        let arguments = ["http-get", url, "--ca", &authority(), "--report", "report"];
        proto_in(here.path(), &arguments).exits(0);
        let record = record(here.path());
        let handshake = record["timings"]["tls"].as_f64();
        if is_secure {
            assert_eq!(record["tls"]["alpn"], "http/1.1");
            assert!(handshake.is_some_and(|seconds| seconds > 0.0), "{record}");
        } else {
            assert!(record["tls"].is_null() && handshake.is_none(), "{record}");
        }
    }
}

/// The one record of a report.
fn record(here: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(here.join("report")).unwrap()).unwrap()
}

#[test]
fn compressed_text_is_decoded() {
    let Some(nginx) = Nginx::start() else { return };
    let text: String = (0..20_000)
        .map(|line| format!("line {line} of a text\n"))
        .collect();
    nginx.write("text.txt", text.as_bytes());
    for url in nginx.urls("/text.txt") {
        let here = folder();
        let (ca, more) = (authority(), ["-O", "--report", "report"]);
        let arguments = [&["http-get", &url, "--ca", &ca], &more[..]].concat();
        proto_in(here.path(), &arguments).exits(0);
        let got = fs::read_to_string(here.path().join("text.txt")).unwrap();
        assert!(got == text, "{url}");
        let record = record(here.path());
        let (received, stored) = (&record["bytes"]["received"], &record["bytes"]["stored"]);
        assert!(
            received.as_u64().unwrap() < stored.as_u64().unwrap() / 2,
            "{record}"
        );
    }
}

/// Starts a slow download and kills it when some of it has come.
fn killed(url: &str, here: &Path) {
    let child = command(&["http-get", url, "-O", "--ca", &authority()])
        .current_dir(here)
        .spawn()
        .unwrap();
    let mut child = Running(child);
    let part = here.join("1m.part");
    while fs::metadata(&part).map_or(0, |metadata| metadata.len()) < 100_000 {
        assert!(child.0.try_wait().unwrap().is_none(), "it ended too early");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    assert_eq!(names(here), ["1m.part", "1m.part.json"]);
}

fn go_on(url: &str, here: &Path) -> Value {
    let (ca, more) = (authority(), ["-O", "--continue", "--report", "report"]);
    let arguments = [&["http-get", url, "--ca", &ca], &more[..]].concat();
    proto_in(here, &arguments).exits(0);
    record(here)
}

#[test]
fn a_killed_download_is_gone_on_with() {
    let Some(nginx) = Nginx::start() else { return };
    nginx.write("1m", &content(1 << 20));
    for url in nginx.urls("/slow/1m") {
        let here = folder();
        killed(&url, here.path());
        let record = go_on(&url, here.path());
        assert_eq!(record["items"][0]["status"], 206);
        assert!(record["bytes"]["received"].as_u64().unwrap() <= (1 << 20) - 100_000);
        assert!(fs::read(here.path().join("1m")).unwrap() == content(1 << 20));
    }
}

#[test]
fn a_file_that_changed_is_not_joined_to_an_old_part() {
    let Some(nginx) = Nginx::start() else { return };
    for url in nginx.urls("/slow/1m") {
        let here = folder();
        nginx.write("1m", &content(1 << 20));
        killed(&url, here.path());
        let mut changed = content(1 << 20);
        changed.reverse();
        changed.truncate((1 << 20) - 1);
        nginx.write("1m", &changed);
        let record = go_on(&url, here.path());
        assert_eq!(record["items"][0]["status"], 200);
        assert!(fs::read(here.path().join("1m")).unwrap() == changed);
    }
}

#[test]
fn two_hundred_urls_come_over_sixteen_connections() {
    let Some(nginx) = Nginx::start() else { return };
    for number in 0..200 {
        nginx.write(&format!("many/{number}"), &content(number * 37));
    }
    for base in nginx.urls("/many") {
        let here = folder();
        let mut list: String = (0..200)
            .map(|number| format!("{base}/{number}\n"))
            .collect();
        list += &format!("{base}/none\n");
        fs::write(here.path().join("list"), list).unwrap();
        let (ca, more) = (
            authority(),
            ["-i", "list", "-j", "16", "--output-dir", "out"],
        );
        let arguments = [&["http-get", "--ca", &ca], &more[..]].concat();
        proto_in(here.path(), &arguments).exits(69).says("1 of 201");
        assert_eq!(names(&here.path().join("out")).len(), 200);
        for number in 0..200 {
            let got = fs::read(here.path().join(format!("out/{number}"))).unwrap();
            assert!(got == content(number * 37), "{base}: {number}");
        }
    }
}

#[test]
fn a_client_certificate_and_tls_1_3_are_shown_when_asked_for() {
    let Some(nginx) = Nginx::start() else { return };
    nginx.write("small", b"small\n");
    let url = format!("https://localhost:{}/small", nginx.strict);
    let certificates = repository().join("samples/certificates");
    let file = |name: &str| certificates.join(name).to_str().unwrap().to_owned();
    let (certificate, key, ca) = (file("client.crt"), file("client.key"), authority());
    let ours = [
        "--client-cert",
        &certificate,
        "--client-key",
        &key,
        "--tls-min",
        "1.3",
    ];
    let run = proto(&[&["http-get", &url, "--ca", &ca][..], &ours].concat()).exits(0);
    assert_eq!(run.stdout, b"small\n");
    proto(&["http-get", &url, "--ca", &ca])
        .exits(69)
        .says("400");
}
