//! The FTP commands against vsftpd.

use std::fs::{self, File};
use std::net::TcpStream;
use std::os::unix::fs::{chown, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::{free_ports, id, program, skipped};
use crate::harness::{authority, command, folder, names, repository, Run, Running};

/// A running vsftpd over a folder of its own, which lets in whoever knows the password.
pub struct Vsftpd {
    folder: tempfile::TempDir,
    /// Where it listens.
    pub port: u16,
    scheme: &'static str,
    _process: Running,
}

impl Vsftpd {
    /// Starts one with these lines in its configuration; nothing if that cannot be done here.
    pub fn start(settings: &[&str]) -> Option<Vsftpd> {
        let vsftpd = program("vsftpd", "vsftpd")?;
        if id(&["-u"]) != 0 {
            skipped("vsftpd can only be started by root");
            return None;
        }
        for _ in 0..5 {
            if let Some(server) = Vsftpd::try_start(&vsftpd, settings) {
                return Some(server);
            }
        }
        panic!("vsftpd does not start");
    }

    fn try_start(vsftpd: &Path, settings: &[&str]) -> Option<Vsftpd> {
        let folder = folder();
        let place = folder.path();
        let [port] = free_ports();
        // It changes to another user, who must be able to come here.
        fs::set_permissions(place, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["root", "empty", "root/in"] {
            fs::create_dir(place.join(name)).unwrap();
        }
        // A user with a folder of its own, which vsftpd insists on.
        let user = |kind: &str| Some(id(&[kind, "daemon"]));
        chown(place.join("root/in"), user("-u"), user("-g")).unwrap();
        fs::write(place.join("passwords"), "secret\n").unwrap();
        fs::write(place.join("conf"), configuration(place, port, settings)).unwrap();
        let process = Command::new(vsftpd)
            .arg(place.join("conf"))
            .env("TZ", "JST-9")
            .stdout(File::create(place.join("said")).unwrap())
            .spawn()
            .unwrap();
        let mut process = Running(process);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if process.0.try_wait().unwrap().is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let is_implicit = settings.contains(&"implicit_ssl=YES");
        Some(Vsftpd {
            port,
            scheme: if is_implicit { "ftps" } else { "ftp" },
            _process: process,
            folder,
        })
    }

    fn url(&self, path: &str) -> String {
        let (scheme, port) = (self.scheme, self.port);
        format!("{scheme}://anonymous:secret@localhost:{port}/{path}")
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// A file that it serves.
    fn write(&self, name: &str, content: &[u8]) {
        let path = self.root().join(name);
        let folder = path.parent().unwrap();
        if !folder.exists() {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(path, content).unwrap();
    }
}

fn configuration(place: &Path, port: u16, settings: &[&str]) -> String {
    let certificates = repository().join("samples/certificates");
    let (place, certificates) = (place.display(), certificates.display());
    let mut text = format!(
        "listen=YES\nlisten_address=127.0.0.1\nlisten_port={port}\nbackground=NO\n\
         secure_chroot_dir={place}/empty\nanonymous_enable=YES\nlocal_enable=NO\n\
         ftp_username=daemon\nnopriv_user=nobody\nanon_root={place}/root\n\
         secure_email_list_enable=YES\nemail_password_file={place}/passwords\n\
         write_enable=YES\nanon_upload_enable=YES\n\
         anon_mkdir_write_enable=YES\nanon_other_write_enable=YES\nanon_umask=022\n\
         anon_world_readable_only=NO\nconnect_from_port_20=NO\nxferlog_enable=NO\n\
         delay_failed_login=0\nseccomp_sandbox=NO\nuse_localtime=NO\nssl_enable=YES\n\
         allow_anon_ssl=YES\nrequire_ssl_reuse=NO\n\
         rsa_cert_file={certificates}/localhost.crt\n\
         rsa_private_key_file={certificates}/localhost.key\n"
    );
    for setting in settings {
        text.push_str(setting);
        text.push('\n');
    }
    text
}

/// Runs a command in a folder, with the authority of the sample certificates.
fn run(place: &Path, arguments: &[&str]) -> Run {
    let mut command = command(arguments);
    command.args(["--ca", &authority(), "--quiet"]);
    command.current_dir(place).output().unwrap().into()
}

fn noise(length: u32) -> Vec<u8> {
    let byte = |n: u32| (n.wrapping_mul(2_654_435_761) >> 13) as u8;
    (0..length).map(byte).collect()
}

/// The first record of a report.
fn report(place: &Path) -> Value {
    let text = fs::read_to_string(place.join("report")).unwrap();
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}

#[test]
fn files_go_up_and_down_over_every_kind_of_connection() {
    let content = noise(5_000_003);
    for (settings, options) in [
        (&[][..], &[][..]),
        (&[], &["--active"]),
        (&[], &["--no-pipelining"]),
        (
            &["force_anon_logins_ssl=YES", "force_anon_data_ssl=YES"],
            &["--starttls"],
        ),
        (&["require_ssl_reuse=YES"], &["--starttls"]),
        (
            &["require_ssl_reuse=YES"],
            &["--starttls", "--tls-min", "1.3"],
        ),
        (&["require_ssl_reuse=YES"], &["--starttls", "--active"]),
        (&["implicit_ssl=YES", "require_ssl_reuse=YES"], &[]),
    ] {
        let Some(server) = Vsftpd::start(settings) else {
            return;
        };
        let place = folder();
        fs::write(place.path().join("up"), &content).unwrap();
        let told = format!("{settings:?} {options:?}");
        let (up, empty) = (server.url("in/up"), server.url("in/empty"));
        fs::write(place.path().join("empty"), "").unwrap();
        for (file, url) in [("up", &up), ("empty", &empty)] {
            let put = ["ftp-put", file, url, "--mkdir", "--safe"];
            run(place.path(), &[&put, options].concat()).exits(0);
        }
        assert_eq!(names(&server.root().join("in")), ["empty", "up"], "{told}");
        assert!(
            fs::read(server.root().join("in/up")).unwrap() == content,
            "{told}"
        );
        let get = ["ftp-get", &up, &empty, "--output-dir", "got"];
        run(place.path(), &[&get, options].concat()).exits(0);
        assert!(
            fs::read(place.path().join("got/up")).unwrap() == content,
            "{told}"
        );
        assert!(fs::read(place.path().join("got/empty")).unwrap().is_empty());
        let folder = server.url("in/");
        let run = run(
            place.path(),
            &[&["ftp-list", &folder, "--json"], options].concat(),
        );
        let run = run.exits(0);
        let sizes: Vec<Value> = run
            .text()
            .lines()
            .map(|row| serde_json::from_str::<Value>(row).unwrap()["size"].take())
            .collect();
        assert_eq!(sizes, [0, 5_000_003], "{told}");
    }
}

#[test]
fn logins_and_tls_that_are_refused() {
    let Some(server) = Vsftpd::start(&["force_anon_logins_ssl=YES"]) else {
        return;
    };
    let place = folder();
    let url = server.url("");
    run(place.path(), &["ftp-list", &url]).exits(77).says("530");
    let wrong = url.replace("secret", "wrong");
    run(place.path(), &["ftp-list", &wrong, "--starttls"]).exits(77);
    let ip = url.replace("localhost", "127.0.0.2");
    assert_ne!(run(place.path(), &["ftp-list", &ip, "--starttls"]).code, 0);
    let mut untrusting = command(&["ftp-list", &url, "--starttls"]);
    Run::from(untrusting.output().unwrap()).exits(77);
    run(place.path(), &["ftp-list", &url, "--starttls"]).exits(0);
}

#[test]
fn what_broke_off_is_gone_on_with_both_ways() {
    let Some(server) = Vsftpd::start(&[]) else {
        return;
    };
    let content = noise(4_000_001);
    server.write("big", &content);
    let place = folder();
    let (url, up) = (server.url("big"), server.url("in/up"));
    let slowly = ["--limit-rate", "1M", "--deadline", "1s"];
    let get = ["ftp-get", url.as_str(), "-O"];
    let cut = run(place.path(), &[&get[..], &slowly].concat());
    assert_eq!(cut.code, 75, "{}", cut.stderr);
    assert_eq!(names(place.path()), ["big.part", "big.part.json"]);
    let go_on = ["--continue", "--report", "report"];
    run(place.path(), &[&get[..], &go_on].concat()).exits(0);
    assert!(fs::read(place.path().join("big")).unwrap() == content);
    assert!(
        report(place.path())["items"][0]["resumed_at"]
            .as_u64()
            .unwrap()
            > 0
    );

    let put = ["ftp-put", "big", up.as_str(), "--mkdir"];
    let cut = run(place.path(), &[&put[..], &slowly].concat());
    assert_ne!(cut.code, 0, "{}", cut.stderr);
    let part = names(&server.root().join("in"));
    assert!(
        matches!(part.as_slice(), [part] if part.ends_with(".part")),
        "{part:?}"
    );
    run(place.path(), &[&put[..], &go_on].concat()).exits(0);
    assert!(fs::read(server.root().join("in/up")).unwrap() == content);
    assert_eq!(names(&server.root().join("in")), ["up"]);
    assert!(
        report(place.path())["items"][0]["resumed_at"]
            .as_u64()
            .unwrap()
            > 0
    );
}

#[test]
fn another_file_of_the_same_name_is_not_gone_on_with() {
    let Some(server) = Vsftpd::start(&[]) else {
        return;
    };
    server.write("big", &noise(4_000_001));
    let place = folder();
    let url = server.url("big");
    let get = ["ftp-get", url.as_str(), "-O", "--continue"];
    let slowly = ["--limit-rate", "1M", "--deadline", "1s"];
    run(place.path(), &[&get[..], &slowly].concat()).exits(75);
    let other: Vec<u8> = noise(4_000_001).iter().map(|byte| byte ^ 1).collect();
    server.write("big", &other);
    let day = std::time::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    let file = File::options()
        .append(true)
        .open(server.root().join("big"))
        .unwrap();
    file.set_modified(day).unwrap();
    run(place.path(), &get).exits(0);
    assert!(fs::read(place.path().join("big")).unwrap() == other);
    let modified = fs::metadata(place.path().join("big")).unwrap().modified();
    assert_eq!(modified.unwrap(), day, "the file has the time of the other");
}

#[test]
fn uploads_to_a_server_that_renames_nothing() {
    // A folder where strangers may leave files, which cannot be changed afterwards.
    let Some(server) = Vsftpd::start(&["anon_other_write_enable=NO"]) else {
        return;
    };
    let place = folder();
    let content = noise(2_000_000);
    fs::write(place.path().join("up"), &content).unwrap();
    let put = ["ftp-put", "up", &server.url("in/")];
    let first = command(&put).current_dir(place.path()).output().unwrap();
    let first = Run::from(first).exits(0);
    assert!(first.stderr.contains(".part stays"), "{}", first.stderr);
    assert!(fs::read(server.root().join("in/up")).unwrap() == content);
    run(place.path(), &put).exits(69).says("--force");
    let safe = ["ftp-put", "up", &server.url("in/other"), "--safe"];
    run(place.path(), &safe).exits(69).says("--direct");

    let Some(server) = Vsftpd::start(&["cmds_denied=RNFR,RNTO"]) else {
        return;
    };
    server.write("in/up", b"old");
    let owner = |name: &str| Some(id(&[name, "daemon"]));
    chown(server.root().join("in/up"), owner("-u"), owner("-g")).unwrap();
    let safe = ["ftp-put", "up", &server.url("in/"), "--force", "--safe"];
    run(place.path(), &safe).exits(69).says("--direct");
    assert_eq!(fs::read(server.root().join("in/up")).unwrap(), b"old");
    let part = names(&server.root().join("in"));
    assert_eq!(part.len(), 2, "{part:?}");
    let put = ["ftp-put", "up", &server.url("in/"), "--force"];
    run(place.path(), &put).exits(0);
    assert!(fs::read(server.root().join("in/up")).unwrap() == content);
    assert_eq!(names(&server.root().join("in")), ["up"]);
}

#[test]
fn what_was_changed_within_a_minute_is_sent_whatever_the_zone() {
    for setting in ["use_localtime=YES", "use_localtime=NO"] {
        let Some(server) = Vsftpd::start(&[setting]) else {
            return;
        };
        let place = folder();
        fs::create_dir(place.path().join("tree")).unwrap();
        let path = place.path().join("tree/f");
        let put = |text: &str, ago: i64| {
            fs::write(&path, text).unwrap();
            let time = std::time::SystemTime::now();
            let apart = Duration::from_secs(ago.unsigned_abs());
            let time = if ago < 0 { time + apart } else { time - apart };
            let file = File::options().append(true).open(&path).unwrap();
            file.set_modified(time).unwrap();
        };
        let url = server.url("in/tree");
        let mirror = ["ftp-mirror", "tree", url.as_str()];
        put("aaaa", 2);
        assert_eq!(rows(&run(place.path(), &mirror).exits(0)), ["put f"]);
        assert_eq!(rows(&run(place.path(), &mirror).exits(0)), [""; 0]);
        put("bbbb", -2);
        let again = run(place.path(), &mirror).exits(0);
        assert_eq!(rows(&again), ["put f"], "{setting}");
        assert_eq!(fs::read(server.root().join("in/tree/f")).unwrap(), b"bbbb");
    }
}

/// The rows of a command that mirrors, without their sizes.
fn rows(run: &Run) -> Vec<String> {
    let text = run.text();
    let rows = text.lines().map(|row| {
        let (result, rest) = row.split_once(' ').unwrap();
        format!("{result} {}", rest.trim_start().split_once("  ").unwrap().1)
    });
    let mut rows: Vec<String> = rows.collect();
    rows.sort();
    rows
}

#[test]
fn trees_are_mirrored_both_ways_and_only_what_has_changed() {
    let Some(server) = Vsftpd::start(&[]) else {
        return;
    };
    for number in 0..300 {
        let name = format!("tree/{}/file {number}", number % 7);
        server.write(&name, format!("{number}\n").as_bytes());
    }
    server.write("tree/0/.hidden", b"x");
    std::os::unix::fs::symlink("/etc/passwd", server.root().join("tree/link")).unwrap();
    let place = folder();
    let (url, back) = (server.url("tree"), server.url("in/new/back"));
    let down = ["ftp-mirror", url.as_str(), "copy", "-j", "4", "--delete"];
    let first = run(place.path(), &down).exits(0);
    assert_eq!(first.text().lines().count(), 7 + 301 + 1);
    assert_eq!(names(&place.path().join("copy")).len(), 7);
    let second = run(place.path(), &down).exits(0);
    assert_eq!(rows(&second), ["skipped link"]);
    server.write("tree/1/file 1", b"other text\n");
    fs::remove_file(server.root().join("tree/2/file 2")).unwrap();
    let planned = run(place.path(), &[&down[..], &["--dry-run"]].concat()).exits(0);
    let plan = ["delete 2/file 2", "get 1/file 1", "skipped link"];
    assert_eq!(rows(&planned), plan);
    let third = run(place.path(), &down).exits(0);
    assert_eq!(
        rows(&third),
        ["deleted 2/file 2", "got 1/file 1", "skipped link"]
    );

    let up = ["ftp-mirror", "copy", back.as_str(), "-j", "3", "--delete"];
    let first = run(place.path(), &up).exits(0);
    assert_eq!(first.text().lines().count(), 7 + 300);
    assert_eq!(rows(&run(place.path(), &up).exits(0)), [""; 0]);
    fs::remove_dir_all(place.path().join("copy/3")).unwrap();
    let text = fs::read(server.root().join("in/new/back/1/file 1")).unwrap();
    assert_eq!(text, b"other text\n");
    let limited = [&up[..], &["--max-delete", "3"]].concat();
    run(place.path(), &limited).exits(65).says("--max-delete");
    assert!(server.root().join("in/new/back/3").exists());
    run(place.path(), &up).exits(0);
    assert!(!server.root().join("in/new/back/3").exists());
    let remove = server.url("in/new");
    run(place.path(), &["ftp-remove", "-r", &remove]).exits(0);
    assert!(!server.root().join("in/new").exists());
}

#[test]
fn listings_in_the_zone_of_the_server_are_compared_with_themselves() {
    let Some(server) = Vsftpd::start(&["use_localtime=YES"]) else {
        return;
    };
    server.write("tree/large", &noise(2_000_000));
    server.write("tree/small", b"x");
    let place = folder();
    let url = server.url("tree");
    let mirror = ["ftp-mirror", url.as_str(), "copy"];
    assert_eq!(rows(&run(place.path(), &mirror).exits(0)).len(), 2);
    assert_eq!(rows(&run(place.path(), &mirror).exits(0)), [""; 0]);
}

#[test]
fn an_empty_folder_is_where_files_go() {
    let Some(server) = Vsftpd::start(&[]) else {
        return;
    };
    let place = folder();
    fs::create_dir_all(place.path().join("tree/sub")).unwrap();
    for name in ["a", "b", "sub/c"] {
        fs::write(place.path().join("tree").join(name), "x").unwrap();
    }
    let url = server.url("in/new/");
    let mirror = ["ftp-mirror", "tree", url.as_str(), "--delete"];
    for options in [&[][..], &["-j", "3"], &["--direct"]] {
        let made = server.root().join("in/new");
        fs::create_dir(&made).unwrap();
        chown(&made, Some(id(&["-u", "daemon"])), None).unwrap();
        run(place.path(), &[&mirror[..], options].concat()).exits(0);
        assert_eq!(names(&made), ["a", "b", "sub"], "{options:?}");
        assert_eq!(names(&made.join("sub")), ["c"], "{options:?}");
        fs::remove_dir_all(made).unwrap();
    }
    server.write("void/x/y", b"y");
    fs::remove_file(server.root().join("void/x/y")).unwrap();
    server.write("full/z", b"z");
    let (void, full) = (server.url("void/x/"), server.url("full/"));
    run(place.path(), &["ftp-get", "-r", &void, &full]).exits(0);
    assert_eq!(names(&place.path().join("full")), ["z"]);
}

#[test]
fn a_folder_that_may_not_be_read_is_a_failure_and_nothing_is_deleted() {
    let Some(server) = Vsftpd::start(&[]) else {
        return;
    };
    let place = folder();
    server.write("q/a/x", b"1\n");
    server.write("q/b/.env", b"2\n");
    let url = server.url("q/");
    let mirror = ["ftp-mirror", url.as_str(), "q", "--delete"];
    run(place.path(), &mirror).exits(0);
    let folder = server.root().join("q/a");
    for mode in [0o700, 0o711] {
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
        let failed = run(place.path(), &mirror).exits(69);
        assert_eq!(failed.text(), "", "{mode:o}");
        assert_eq!(fs::read(place.path().join("q/a/x")).unwrap(), b"1\n");
        assert_eq!(fs::read(place.path().join("q/b/.env")).unwrap(), b"2\n");
        let alone = server.url("q/a/");
        let failed = run(place.path(), &["ftp-mirror", &alone, "q/a", "--delete"]);
        assert_eq!(failed.code, 69, "{mode:o}: {}", failed.stderr);
        assert!(place.path().join("q/a/x").exists());
    }
}

#[test]
fn what_a_removed_link_leads_to_stays() {
    let Some(server) = Vsftpd::start(&[]) else {
        return;
    };
    let place = folder();
    let inside = server.root().join("in");
    fs::create_dir(inside.join("real")).unwrap();
    fs::write(inside.join("real/precious"), "x").unwrap();
    chown(inside.join("real"), Some(id(&["-u", "daemon"])), None).unwrap();
    std::os::unix::fs::symlink("real", inside.join("link")).unwrap();
    let url = server.url("in/link/");
    run(place.path(), &["ftp-remove", "-r", &url]).exits(0);
    assert_eq!(names(&inside), ["real"]);
    assert_eq!(names(&inside.join("real")), ["precious"]);
}

#[test]
fn a_second_change_within_a_minute_is_seen() {
    for settings in [&[][..], &["use_localtime=YES"]] {
        let Some(server) = Vsftpd::start(settings) else {
            return;
        };
        let now = std::time::SystemTime::now();
        let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let minute = std::time::UNIX_EPOCH + Duration::from_secs(now / 60 * 60 - 60);
        let write = |text: &[u8], second: u64| {
            server.write("tree/f", text);
            let path = server.root().join("tree/f");
            let file = File::options().append(true).open(path).unwrap();
            let time = minute + Duration::from_secs(second);
            file.set_modified(time).unwrap();
        };
        let place = folder();
        let url = server.url("tree");
        let mirror = ["ftp-mirror", url.as_str(), "copy"];
        write(b"aaaa", 5);
        assert_eq!(rows(&run(place.path(), &mirror).exits(0)), ["got f"]);
        assert_eq!(rows(&run(place.path(), &mirror).exits(0)), [""; 0]);
        write(b"bbbb", 40);
        assert_eq!(rows(&run(place.path(), &mirror).exits(0)), ["got f"]);
        assert_eq!(fs::read(place.path().join("copy/f")).unwrap(), b"bbbb");
    }
}
