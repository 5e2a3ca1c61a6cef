//! `proto ftp-get`: files and trees from an FTP server.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use proto_mock::ftp::FtpServer;
use proto_mock::{Options, Server};
use proto_transport::Security;
use serde_json::Value;

use crate::harness::{authority, folder, names, proto, proto_in, tls, Run};

/// The mock FTP server.
pub struct Ftp {
    server: Server,
    scheme: &'static str,
    pub ftp: Arc<FtpServer>,
}

impl Ftp {
    /// A server with a few files that does these things wrong.
    pub fn flawed(flaws: &[&str]) -> Ftp {
        let mut ftp = files();
        ftp.flaws = flaws.iter().map(|flaw| flaw.parse().unwrap()).collect();
        Ftp::with(ftp, Options::default())
    }

    /// The same that does something else now and then.
    pub fn ruled(rules: &[&str]) -> Ftp {
        let mut ftp = files();
        ftp.rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        Ftp::with(ftp, Options::default())
    }

    /// The same that knows less.
    pub fn without(names: &[&str]) -> Ftp {
        let mut ftp = files();
        ftp.without = names.iter().map(|name| (*name).to_owned()).collect();
        Ftp::with(ftp, Options::default())
    }

    /// One with other settings.
    pub fn with(ftp: FtpServer, options: Options) -> Ftp {
        let scheme = match options.security {
            Security::Tls => "ftps",
            _ => "ftp",
        };
        let ftp = Arc::new(ftp);
        let service = Arc::clone(&ftp) as Arc<dyn proto_mock::Service>;
        Ftp {
            server: Server::start(options, service).unwrap(),
            scheme,
            ftp,
        }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}://localhost:{}/{path}", self.scheme, self.server.port())
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// The same with a user and a password.
    pub fn url_of_fred(&self, path: &str) -> String {
        self.url(path).replace("localhost", "fred:pencil@localhost")
    }

    /// What was said to the server, line by line.
    pub fn heard(&self) -> Vec<String> {
        let commands = self.ftp.commands();
        commands.into_iter().map(|(_, line)| line).collect()
    }

    /// What has only a name for a time.
    pub fn parts(&self) -> Vec<String> {
        let mut paths = self.ftp.files.paths();
        paths.retain(|path| path.ends_with(".part") || path.ends_with(".old"));
        paths
    }

    /// How often a command was heard.
    pub fn count_of(&self, verb: &str) -> usize {
        let heard = self.heard();
        heard.iter().filter(|line| line.starts_with(verb)).count()
    }

    /// Fails the test if the client has broken the protocol.
    #[track_caller]
    pub fn is_content(&self) {
        assert_eq!(self.ftp.violations(), [""; 0]);
    }
}

/// A server with a few files.
pub fn files() -> FtpServer {
    let ftp = FtpServer::default();
    ftp.files.put("pub/hello.txt", "Hello\n");
    ftp.files.put("pub/two words", "2\n");
    ftp.files.put("pub/sub/deep/x", "deep\n");
    ftp.files.put("pub/sub/.hidden", "h\n");
    ftp.files.put("pub/empty", "");
    let byte = |n: u32| (n.wrapping_mul(2_654_435_761) >> 13) as u8;
    ftp.files
        .put("big", (0..3_000_000).map(byte).collect::<Vec<u8>>());
    ftp.files.make_folder("void");
    assert!(ftp.files.set_modified("pub/hello.txt", OLD));
    assert!(ftp.files.set_modified("big", OLD));
    ftp
}

/// 9 September 2001.
const OLD: i64 = 1_000_000_000;

/// The rows as JSON.
pub fn rows(run: &Run) -> Vec<Value> {
    let text = run.text();
    let rows = text.lines().map(serde_json::from_str);
    rows.map(Result::unwrap).collect()
}

/// The first record of a report.
pub fn record(place: &Path) -> Value {
    let text = fs::read_to_string(place.join("report")).unwrap();
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}

fn sum(text: &[u8]) -> String {
    let bytes = <sha2::Sha256 as sha2::Digest>::digest(text);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_file_to_stdout_or_to_a_file_with_its_time() {
    let ftp = Ftp::flawed(&[]);
    let run = proto(&["ftp-get", &ftp.url("pub/hello.txt")]).exits(0);
    assert_eq!(run.text(), "Hello\n");
    let place = folder();
    let url = ftp.url("pub/hello.txt");
    let arguments = ["ftp-get", url.as_str(), "-o", "it", "--report", "report"];
    proto_in(place.path(), &arguments).exits(0);
    let file = place.path().join("it");
    assert_eq!(fs::read(&file).unwrap(), b"Hello\n");
    let time = UNIX_EPOCH + Duration::from_secs(OLD as u64);
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), time);
    let record = record(place.path());
    assert_eq!(record["bytes"]["stored"], 6);
    assert_eq!(record["stage"], "store");
    assert!(record["ok"].as_bool().unwrap());
    // Nothing is replaced unasked.
    proto_in(place.path(), &arguments).exits(74).says("--force");
    proto_in(place.path(), &["ftp-get", &url, "-o", "it", "--force"]).exits(0);
    ftp.is_content();
}

#[test]
fn several_files_over_several_connections() {
    for jobs in ["1", "3"] {
        let ftp = Ftp::flawed(&[]);
        let place = folder();
        let paths = [
            "pub/hello.txt",
            "pub/two%20words",
            "pub/none",
            "pub/empty",
            "big",
        ];
        let urls = paths.map(|path| ftp.url(path));
        let mut arguments = vec!["ftp-get", "--output-dir", "got", "--json", "-j", jobs];
        arguments.extend(urls.iter().map(String::as_str));
        let run = proto_in(place.path(), &arguments).exits(69).says("none");
        let rows = rows(&run);
        assert_eq!(rows.iter().filter(|row| row["ok"] == true).count(), 4);
        assert_eq!(rows.len(), 5);
        let got = place.path().join("got");
        assert_eq!(names(&got), ["big", "empty", "hello.txt", "two words"]);
        assert!(Some(fs::read(got.join("big")).unwrap()) == ftp.ftp.files.get("big"));
        ftp.is_content();
        if jobs == "1" {
            assert_eq!(ftp.count_of("USER"), 1);
        }
    }
}

#[test]
fn the_next_data_connection_is_asked_for_ahead_or_not() {
    for (options, is_ahead) in [(&[][..], true), (&["--no-pipelining"], false)] {
        let ftp = Ftp::flawed(&[]);
        let place = folder();
        let urls = ["pub/hello.txt", "pub/empty", "big"].map(|path| ftp.url(path));
        let mut arguments = vec!["ftp-get", "--output-dir", "got"];
        arguments.extend(urls.iter().map(String::as_str));
        arguments.extend(options);
        proto_in(place.path(), &arguments).exits(0);
        let heard = ftp.heard();
        let first = heard
            .iter()
            .position(|line| line.starts_with("RETR"))
            .unwrap();
        assert_eq!(heard[first + 1] == "EPSV", is_ahead, "{heard:?}");
        assert_eq!(ftp.count_of("EPSV"), 3);
        ftp.is_content();
    }
}

#[test]
fn what_cannot_be_meant_is_refused_before_anybody_is_called() {
    for arguments in [
        &["ftp://localhost:1/"][..],
        &["ftp://localhost:1/a/"],
        &["ftp://localhost:1/a%0d%0aDELE%20b"],
        &["ftp://localhost:1/a%00b"],
        &["http://localhost:1/a"],
        &["ftp://localhost:1/a", "ftp://localhost:1/b", "-o", "x"],
        &["ftp://localhost:1/a", "--continue"],
        &["ftp://localhost:1/a", "--checksum", "server"],
        &["ftp://localhost:1/a", "--checksum", "md5:x"],
        &["ftp://localhost:1/a", "--active-ports", "5-1"],
        &["ftp://localhost:1/a;type=a", "-r"],
        &["ftp://localhost:1/a", "-r", "-o", "x"],
        &[
            "ftp://localhost:1/a",
            "--token-command",
            "echo x",
            "-u",
            "me",
        ],
    ] {
        let run = proto(&[&["ftp-get"], arguments].concat());
        assert_eq!(run.code, 64, "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn a_tree_comes_without_what_leads_away() {
    for without in [&[][..], &["MLST"], &["EPSV"], &["FEAT"]] {
        let ftp = Ftp::without(without);
        ftp.ftp.files.link("pub/link", "/etc/passwd");
        let place = folder();
        let url = ftp.url("pub");
        let arguments = [
            "ftp-get",
            "-r",
            url.as_str(),
            "--output-dir",
            "got",
            "-j",
            "2",
        ];
        let run = proto_in(place.path(), &arguments).exits(0);
        let got = place.path().join("got/pub");
        assert_eq!(
            names(&got),
            ["empty", "hello.txt", "sub", "two words"],
            "{without:?}"
        );
        assert_eq!(fs::read(got.join("sub/deep/x")).unwrap(), b"deep\n");
        assert_eq!(names(&got.join("sub")), [".hidden", "deep"], "{without:?}");
        assert!(run.text().contains("skipped"), "{}", run.text());
        ftp.is_content();
    }
}

#[test]
fn a_tree_is_chosen_from_and_gone_on_with() {
    let ftp = Ftp::flawed(&[]);
    let place = folder();
    let url = ftp.url("pub");
    let get = ["ftp-get", "-r", url.as_str(), "--continue"];
    proto_in(place.path(), &[&get[..], &["--include", "*.txt"]].concat()).exits(0);
    assert_eq!(names(&place.path().join("pub")), ["hello.txt", "sub"]);
    proto_in(place.path(), &[&get[..], &["--exclude", "sub"]].concat()).exits(0);
    assert_eq!(
        names(&place.path().join("pub")),
        ["empty", "hello.txt", "sub", "two words"]
    );
    assert_eq!(ftp.count_of("RETR pub/hello.txt"), 1);
    let missing = ftp.url("none");
    proto_in(place.path(), &["ftp-get", "-r", &missing]).exits(69);
}

#[test]
fn nothing_is_written_through_a_link() {
    let ftp = Ftp::flawed(&[]);
    let (place, outside) = (folder(), folder());
    fs::create_dir(place.path().join("pub")).unwrap();
    symlink(outside.path(), place.path().join("pub/sub")).unwrap();
    let url = ftp.url("pub");
    proto_in(place.path(), &["ftp-get", "-r", &url, "--force"])
        .exits(74)
        .says("link");
    assert_eq!(names(outside.path()), [""; 0]);
}

#[test]
fn digests_are_compared() {
    let ftp = Ftp::flawed(&[]);
    let url = ftp.url("pub/hello.txt");
    let good = format!("sha256:{}", sum(b"Hello\n"));
    let bad = format!("sha256:{}", sum(b"hello\n"));
    proto(&["ftp-get", &url, "--checksum", &good]).exits(0);
    proto(&["ftp-get", &url, "--checksum", &bad]).exits(76);
    let place = folder();
    let get = ["ftp-get", url.as_str(), "-O", "--checksum"];
    proto_in(place.path(), &[&get[..], &[bad.as_str()]].concat()).exits(76);
    assert_eq!(names(place.path()), [""; 0]);
    proto_in(place.path(), &[&get[..], &[good.as_str()]].concat()).exits(0);

    for (without, verb) in [
        (&[][..], "HASH"),
        (&["HASH"], "XSHA256"),
        (&["HASH", "XSHA256"], "XMD5"),
        (&["HASH", "XSHA256", "XMD5"], "XCRC"),
    ] {
        let ftp = Ftp::without(without);
        let place = folder();
        let get = ["ftp-get", &ftp.url("big"), "-O", "--checksum", "server"];
        proto_in(place.path(), &get).exits(0);
        assert_eq!(ftp.count_of(verb), 1, "{verb}");
        ftp.is_content();
    }
    let none = Ftp::without(&["HASH", "XSHA256", "XMD5", "XCRC"]);
    let place = folder();
    let get = ["ftp-get", &none.url("big"), "-O", "--checksum", "server"];
    proto_in(place.path(), &get).exits(69).says("HASH");
    let wrong = Ftp::flawed(&["wrong-hash"]);
    let get = ["ftp-get", &wrong.url("big"), "-O", "--checksum", "server"];
    proto_in(place.path(), &get).exits(76);
    assert!(!place.path().join("big").exists());
}

#[test]
fn what_broke_off_is_gone_on_with_if_it_is_still_the_same() {
    let ftp = Ftp::ruled(&["cut=big count=1 reply=2000000"]);
    let place = folder();
    let url = ftp.url("big");
    proto_in(place.path(), &["ftp-get", &url, "-O"]).exits(75);
    assert_eq!(names(place.path()), ["big.part", "big.part.json"]);
    proto_in(place.path(), &["ftp-get", &url, "-O", "--continue"]).exits(0);
    let whole = ftp.ftp.files.get("big").unwrap();
    assert!(fs::read(place.path().join("big")).unwrap() == whole);
    assert_eq!(ftp.count_of("REST"), 1);
    // And once more, for nothing.
    proto_in(place.path(), &["ftp-get", &url, "-O", "--continue"]).exits(0);
    assert_eq!(ftp.count_of("RETR"), 2);
    ftp.is_content();

    let other = Ftp::ruled(&["cut=big count=1 reply=2000000"]);
    let place = folder();
    let url = other.url("big");
    proto_in(place.path(), &["ftp-get", &url, "-O"]).exits(75);
    other.ftp.files.put(
        "big",
        whole.iter().map(|byte| byte ^ 1).collect::<Vec<u8>>(),
    );
    assert!(other.ftp.files.set_modified("big", OLD + 1));
    proto_in(place.path(), &["ftp-get", &url, "-O", "--continue"]).exits(0);
    assert_eq!(other.count_of("REST"), 0);
    assert!(Some(fs::read(place.path().join("big")).unwrap()) == other.ftp.files.get("big"));
}

#[test]
fn a_retry_goes_on_where_the_attempt_broke_off() {
    let ftp = Ftp::ruled(&["cut=big count=1 reply=2000000"]);
    let place = folder();
    let url = ftp.url("big");
    proto_in(place.path(), &["ftp-get", &url, "-O", "--retry", "1"]).exits(0);
    assert!(Some(fs::read(place.path().join("big")).unwrap()) == ftp.ftp.files.get("big"));
    assert_eq!(ftp.count_of("REST"), 1);
}

#[test]
fn a_server_that_does_not_go_on_is_noticed() {
    let without = Ftp::without(&["REST"]);
    let ignored = Ftp::flawed(&["rest-ignored"]);
    for (ftp, code) in [(without, 0), (ignored, 76)] {
        let place = folder();
        let url = ftp.url("big");
        // A part of the same content, as an earlier run leaves it.
        let whole = ftp.ftp.files.get("big").unwrap();
        fs::write(place.path().join("big.part"), &whole[..1000]).unwrap();
        let origin = serde_json::json!({
            "url": url, "validator": "20010909014640", "length": whole.len(),
        });
        fs::write(place.path().join("big.part.json"), origin.to_string()).unwrap();
        let run = proto_in(place.path(), &["ftp-get", &url, "-O", "--continue"]);
        assert_eq!(run.code, code, "{}", run.stderr);
        if code == 0 {
            assert!(fs::read(place.path().join("big")).unwrap() == whole);
        } else {
            assert!(!place.path().join("big").exists());
        }
    }
}

#[test]
fn limits_hold() {
    let ftp = Ftp::flawed(&[]);
    let place = folder();
    let url = ftp.url("big");
    proto_in(place.path(), &["ftp-get", &url, "-O", "--max-size", "1M"]).exits(65);
    assert_eq!(ftp.count_of("RETR"), 0);
    let untold = Ftp::without(&["SIZE"]);
    let url = untold.url("big");
    proto_in(place.path(), &["ftp-get", &url, "-O", "--max-size", "1M"]).exits(65);
    assert_eq!(names(place.path()), [""; 0]);
    proto_in(
        place.path(),
        &["ftp-get", &url, "-O", "--limit-rate", "30M"],
    )
    .exits(0);
}

#[test]
fn tls_protects_both_connections() {
    let ca = authority();
    for (options, arguments) in [(Options::default(), &["--starttls"][..]), (tls(), &[])] {
        let mut ftp = files();
        ftp.needs_tls = true;
        ftp.users = vec![("fred".to_owned(), "pencil".to_owned())];
        let ftp = Ftp::with(ftp, options);
        let url = ftp.url_of_fred("big");
        let place = folder();
        let get = ["ftp-get", url.as_str(), "-O", "--ca", &ca];
        proto_in(place.path(), &[&get[..], arguments].concat()).exits(0);
        assert_eq!(ftp.count_of("PROT P"), 1);
        let wrong = url.replace("pencil", "pen");
        let get = ["ftp-get", wrong.as_str(), "--ca", &ca];
        proto(&[&get[..], arguments].concat()).exits(77).says("530");
        proto(&[&["ftp-get", url.as_str()], arguments].concat()).exits(77);
        ftp.is_content();
    }
    for (flaw, code) in [("clear-data", 76), ("wrong-data-certificate", 77)] {
        let ftp = Ftp::flawed(&[flaw]);
        let url = ftp.url("big");
        let place = folder();
        let get = ["ftp-get", url.as_str(), "-O", "--ca", &ca, "--starttls"];
        let run = proto_in(place.path(), &get);
        assert_eq!(run.code, code, "{flaw}: {}", run.stderr);
        assert!(!place.path().join("big").exists());
    }
}

#[test]
fn an_account_is_told_to_who_asks() {
    let mut ftp = files();
    ftp.users = vec![("fred".to_owned(), "pencil".to_owned())];
    ftp.account = Some("staff".to_owned());
    let ftp = Ftp::with(ftp, Options::default());
    let place = folder();
    fs::write(place.path().join("account"), "staff\n").unwrap();
    let url = ftp.url_of_fred("pub/hello.txt");
    proto_in(place.path(), &["ftp-get", &url])
        .exits(77)
        .says("account");
    proto_in(
        place.path(),
        &["ftp-get", &url, "--account-file", "account"],
    )
    .exits(0);
}

#[test]
fn a_session_is_never_used_for_another_user() {
    let ftp = Ftp::flawed(&[]);
    let place = folder();
    let urls = [
        ftp.url("pub/hello.txt"),
        ftp.url_of_fred("pub/empty"),
        ftp.url("pub/two%20words"),
        ftp.url_of_fred("pub/empty").replace("fred", "ann"),
    ];
    let mut arguments = vec!["ftp-get", "-O"];
    arguments.extend(urls[..3].iter().map(String::as_str));
    proto_in(place.path(), &arguments).exits(0);
    let users: Vec<String> = ftp
        .heard()
        .into_iter()
        .filter(|line| line.starts_with("USER"))
        .collect();
    assert_eq!(users, ["USER anonymous", "USER fred"]);
    // Two of the same name do not share a file.
    let arguments = [
        "ftp-get",
        "-O",
        "--force",
        urls[1].as_str(),
        urls[3].as_str(),
    ];
    proto_in(place.path(), &arguments)
        .exits(74)
        .says("same file name");
}

#[test]
fn what_is_here_is_skipped_only_if_it_is_the_same() {
    for without in [&[][..], &["MLST"], &["MLST", "MDTM"], &["MLST", "SIZE"]] {
        let ftp = Ftp::without(without);
        let place = folder();
        let file = place.path().join("big");
        let url = ftp.url("big");
        let get = ["ftp-get", url.as_str(), "-O", "--continue"];
        let whole = ftp.ftp.files.get("big").unwrap();
        proto_in(place.path(), &get).exits(0);
        let bytes = ftp.count_of("RETR");
        proto_in(place.path(), &get).exits(0);
        assert_eq!(ftp.count_of("RETR"), bytes, "{without:?}");
        // Another size, and the same with another time.
        fs::write(&file, &whole[..1000]).unwrap();
        if !without.contains(&"SIZE") {
            proto_in(place.path(), &get).exits(74).says("1000 bytes");
        }
        proto_in(
            place.path(),
            &[&get[..], &["--checksum", "server"]].concat(),
        )
        .exits(76);
        fs::write(&file, &whole).unwrap();
        let code = if without.contains(&"MDTM") { 0 } else { 74 };
        proto_in(place.path(), &get).exits(code);
        assert_eq!(fs::read(&file).unwrap(), whole);
        // The digest tells for certain.
        proto_in(
            place.path(),
            &[&get[..], &["--checksum", "server"]].concat(),
        )
        .exits(0);
        ftp.is_content();
    }
    let ftp = Ftp::without(&["MLST", "SIZE", "MDTM"]);
    let place = folder();
    let url = ftp.url("big");
    let get = ["ftp-get", url.as_str(), "-O", "--continue"];
    proto_in(place.path(), &get).exits(0);
    proto_in(place.path(), &get)
        .exits(74)
        .says("cannot be compared");
}

#[test]
fn the_same_holds_for_trees() {
    for without in [&[][..], &["MLST"]] {
        let ftp = Ftp::without(without);
        let place = folder();
        let url = ftp.url("pub/");
        let get = ["ftp-get", "-r", url.as_str(), "--continue", "--json"];
        proto_in(place.path(), &get).exits(0);
        proto_in(place.path(), &get).exits(0);
        let file = place.path().join("pub/two words");
        fs::write(&file, "longer").unwrap();
        proto_in(place.path(), &get).exits(74).says("6 bytes");
        assert_eq!(fs::read(&file).unwrap(), b"longer");
    }
}

#[test]
fn names_that_are_not_utf_8_are_kept() {
    use std::os::unix::ffi::OsStrExt;
    let served = folder();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
    fs::create_dir(served.path().join(name)).unwrap();
    fs::write(served.path().join(name).join(name), "x").unwrap();
    let mut server = FtpServer::default();
    server.root = Some(served.path().to_owned());
    let ftp = Ftp::with(server, Options::default());
    let place = folder();
    let (file, tree) = (ftp.url("caf%E9/caf%E9"), ftp.url("caf%E9/"));
    proto_in(place.path(), &["ftp-get", &file, "-O"]).exits(0);
    assert_eq!(fs::read(place.path().join(name)).unwrap(), b"x");
    proto_in(place.path(), &["ftp-get", &file, "--output-dir", "out"]).exits(0);
    assert_eq!(fs::read(place.path().join("out").join(name)).unwrap(), b"x");
    proto_in(
        place.path(),
        &["ftp-get", "-r", &tree, "--output-dir", "tree"],
    )
    .exits(0);
    assert_eq!(
        fs::read(place.path().join("tree").join(name).join(name)).unwrap(),
        b"x"
    );
}

#[test]
fn a_server_of_many_names_is_told_its_own() {
    let named = |ftp: &Ftp| {
        let host = ftp.url("").replace("ftp://", "").replace('/', "");
        let host = host.replace("localhost", "127.0.0.1");
        proto(&[
            "ftp-get",
            "ftp://files.example/pub/hello.txt",
            "--connect-to",
            &host,
        ])
        .exits(0);
    };
    let ftp = Ftp::flawed(&[]);
    named(&ftp);
    assert_eq!(
        ftp.heard()[..3],
        ["FEAT", "HOST files.example", "USER anonymous"]
    );
    // An address is no name.
    let url = ftp.url("pub/hello.txt");
    for url in [url.replace("localhost", "127.0.0.1"), url] {
        let before = ftp.heard().len();
        proto(&["ftp-get", &url]).exits(0);
        assert_eq!(ftp.heard()[before], "USER anonymous");
    }
    for rules in [
        &["host reply=504 who?"][..],
        &["feat count=1 reply=530 log in first"],
    ] {
        named(&Ftp::ruled(rules));
    }
    ftp.is_content();
}

#[test]
fn what_fails_has_its_row_too() {
    let ftp = Ftp::flawed(&[]);
    let place = folder();
    let (here, none) = (ftp.url("pub/hello.txt"), ftp.url("pub/none"));
    let run = proto_in(place.path(), &["ftp-get", &here, &none, "-O", "--json"]).exits(69);
    let rows = rows(&run);
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (&rows[0]["ok"], &rows[0]["file"]),
        (&true.into(), &"hello.txt".into())
    );
    assert_eq!(
        (&rows[1]["ok"], &rows[1]["url"]),
        (&false.into(), &none.into())
    );
    assert!(rows[1]["error"].to_string().contains("550"), "{}", rows[1]);
}

#[test]
fn a_server_without_digests_is_not_asked_for_the_file_first() {
    let ftp = Ftp::without(&["HASH", "XCRC", "XMD5", "XSHA256"]);
    let place = folder();
    let get = ["ftp-get", &ftp.url("big"), "-O", "--checksum", "server"];
    proto_in(place.path(), &get).exits(69).says("HASH");
    assert_eq!(ftp.count_of("RETR"), 0);
    assert_eq!(names(place.path()), [""; 0]);
}

#[test]
fn a_file_is_no_tree() {
    for without in [&[][..], &["MLST"]] {
        let ftp = Ftp::without(without);
        ftp.ftp.files.put("same/same", "x");
        let place = folder();
        let (file, same) = (ftp.url("pub/hello.txt"), ftp.url("same"));
        proto_in(place.path(), &["ftp-get", "-r", &file])
            .exits(69)
            .says("is a file");
        proto_in(place.path(), &["ftp-mirror", &file, "copy"])
            .exits(69)
            .says("is a file");
        assert_eq!(names(place.path()), [""; 0]);
        proto_in(place.path(), &["ftp-get", "-r", &same]).exits(0);
        assert_eq!(names(&place.path().join("same")), ["same"]);
    }
}

#[test]
fn a_name_that_is_changed_is_told() {
    let ftp = Ftp::flawed(&[]);
    ftp.ftp.files.put("x.part", "x");
    let place = folder();
    let run = proto_in(place.path(), &["ftp-get", &ftp.url("x.part"), "-O"]).exits(0);
    run.says("stored as x_part");
    assert_eq!(names(place.path()), ["x_part"]);
}

#[test]
fn where_one_way_to_be_passive_leads_nowhere_the_other_is_gone() {
    for reply in ["425 cannot", "501 what?"] {
        let ftp = Ftp::ruled(&[&format!("epsv reply={reply}")]);
        let place = folder();
        let (one, other) = (ftp.url("pub/hello.txt"), ftp.url("big"));
        proto_in(place.path(), &["ftp-get", &one, &other, "-O"]).exits(0);
        assert_eq!(names(place.path()), ["big", "hello.txt"]);
        assert_eq!(
            (ftp.count_of("EPSV"), ftp.count_of("PASV")),
            (1, 2),
            "{reply}"
        );
        ftp.is_content();
    }
    let rules = ["epsv reply=425 cannot", "pasv reply=502 what?"];
    let ftp = Ftp::ruled(&rules);
    proto(&["ftp-get", &ftp.url("big")]).exits(75).says("425");
}
