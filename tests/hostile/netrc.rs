//! `.netrc`: whose password goes where.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{assert_harmless, found, ok, response, talker, Talker};
use crate::harness::{command, folder, Run};

/// Writes a `.netrc` that only its owner may read.
pub fn write(home: &Path, text: &str) {
    let path = home.join(".netrc");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn get(netrc: &str, url: &str, options: &[&str]) -> Run {
    let folder = folder();
    write(folder.path(), netrc);
    get_at(folder.path(), url, options)
}

fn get_at(home: &Path, url: &str, options: &[&str]) -> Run {
    let mut command = command(&["http-get", "--netrc", url]);
    command.args(options).env("HOME", home);
    let run = Run::from(command.output().unwrap());
    assert_harmless(&run);
    run
}

/// A server that wants a password and takes any.
fn guarded() -> Talker {
    talker(|_, head| match head.contains("\nAuthorization: ") {
        true => ok(b"in"),
        false => response("401 No", &["WWW-Authenticate: Basic realm=\"x\""], b""),
    })
}

/// "fred:one", "fred:two" and "jane:two".
const FRED_ONE: &str = "Basic ZnJlZDpvbmU=";
const FRED_TWO: &str = "Basic ZnJlZDp0d28=";
const JANE_TWO: &str = "Basic amFuZTp0d28=";

#[test]
fn each_host_and_each_user_has_its_own_password() {
    for (netrc, options, said) in [
        ("machine localhost login fred password one", &[][..], Some(FRED_ONE)),
        ("machine LOCALHOST login fred password one", &[], Some(FRED_ONE)),
        ("machine other login fred password two\nmachine localhost login fred password one", &[], Some(FRED_ONE)),
        ("machine other login fred password two", &[], None),
        ("machine localhos login fred password two", &[], None),
        ("machine localhost.evil login fred password two", &[], None),
        ("machine other login fred password two\ndefault login fred password one", &[], Some(FRED_ONE)),
        // default does not stand in for a host that has an entry of its own.
        ("machine localhost login jane password two\ndefault login fred password one", &["-u", "jane"], Some(JANE_TWO)),
        ("machine localhost login fred password one\nmachine localhost login jane password two", &["-u", "jane"], Some(JANE_TWO)),
        ("machine localhost login fred password \"one\" # a comment\n", &[], Some(FRED_ONE)),
        ("macdef evil\nmachine localhost login jane password two\n\nmachine localhost login fred password one", &[], Some(FRED_ONE)),
    ] {
        let server = guarded();
        let run = get(netrc, &server.url("/"), options);
        match said {
            Some(said) => {
                assert_eq!(run.code, 0, "{netrc}: {}", run.stderr);
                assert!(server.heard().contains(said), "{netrc}: {}", server.heard());
            }
            None => {
                assert_eq!(run.code, 77, "{netrc}: {}", run.stderr);
                assert!(!server.heard().contains("Authorization"), "{netrc}");
            }
        }
    }
}

#[test]
fn a_user_never_gets_the_password_of_another() {
    let server = guarded();
    for netrc in [
        "machine localhost login jane password two",
        "machine localhost login jane password two\ndefault login jane password two",
        "default login jane password two",
    ] {
        // There is no password for fred and no terminal to ask on.
        let run = get(netrc, &server.url("/"), &["-u", "fred"]);
        assert_ne!(run.code, 0, "{netrc}");
    }
    assert!(
        !server.heard().contains("Authorization"),
        "{}",
        server.heard()
    );
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    for mode in [0o644, 0o640, 0o604, 0o620, 0o602] {
        let server = guarded();
        let folder = folder();
        write(folder.path(), "machine localhost login fred password one");
        let path = folder.path().join(".netrc");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let run = get_at(folder.path(), &server.url("/"), &[]).exits(64);
        assert!(run.stderr.contains("chmod 600"), "{}", run.stderr);
        assert_eq!(server.server.connections(), 0);
    }
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let folder = folder();
    let server = guarded();
    get_at(folder.path(), &server.url("/"), &[]).exits(74);
    assert_eq!(server.server.connections(), 0);
}

#[test]
fn nothing_is_read_unasked() {
    let server = guarded();
    let folder = folder();
    write(folder.path(), "machine localhost login fred password one");
    let mut command = command(&["http-get", &server.url("/")]);
    let run = Run::from(command.env("HOME", folder.path()).output().unwrap());
    assert_eq!(run.code, 77, "{}", run.stderr);
    assert!(!server.heard().contains("Authorization"));
}

#[test]
fn a_redirect_to_another_host_takes_no_password_along() {
    for netrc in [
        "machine localhost login fred password one",
        // What is for hosts that the user names is not for those that a server names.
        "machine localhost login fred password one\ndefault login fred password two",
        "default login fred password two",
    ] {
        let second = guarded();
        let location = second.url("/").replace("localhost", "127.0.0.1");
        let first = talker(move |_, _| found(&location));
        let run = get(netrc, &first.url("/"), &[]);
        assert_eq!(run.code, 77, "{netrc}: {}", run.stderr);
        assert!(
            !second.heard().contains("Authorization"),
            "{netrc}: {}",
            second.heard()
        );
    }
}

#[test]
fn a_redirect_to_a_host_that_the_file_names_gets_that_host_s_own() {
    let second = guarded();
    let location = second.url("/").replace("localhost", "127.0.0.1");
    let first = talker(move |_, head| match head.contains("\nAuthorization: ") {
        true => found(&location),
        false => response("401 No", &["WWW-Authenticate: Basic realm=\"x\""], b""),
    });
    let netrc =
        "machine localhost login fred password one\nmachine 127.0.0.1 login fred password two";
    get(netrc, &first.url("/"), &[]).exits(0);
    assert!(first.heard().contains(FRED_ONE) && !first.heard().contains(FRED_TWO));
    assert!(second.heard().contains(FRED_TWO) && !second.heard().contains(FRED_ONE));
}

#[test]
fn mad_files_do_no_harm() {
    let server = guarded();
    for netrc in [
        "",
        "machine",
        "login fred password one",
        "machine localhost login",
        "machine localhost password",
        "machine localhost login \"fr",
        "macdef",
        "machine localhost login \"\\",
        "default default default",
        "\u{feff}machine localhost",
        "machine\0localhost login fred\0 password one",
    ] {
        let run = get(netrc, &server.url("/"), &[]);
        assert_ne!(run.code, 101, "{netrc:?}");
    }
}
