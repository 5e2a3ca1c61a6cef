//! The file system: names that servers choose, links that wait for us, and ends that come at any
//! time.

use std::fs;
use std::os::unix::fs::symlink;
use std::thread;
use std::time::Duration;

use proto_mock::http::fill;
use proto_transport::escape::is_harmful;

use super::{assert_harmless, download_in, ok, response, talker};
use crate::harness::{command, folder, names, proto_in, Running, Web};

#[test]
fn names_from_a_server_stay_in_the_folder_and_are_plain() {
    for disposition in [
        "attachment; filename=\"../../evil\"",
        "attachment; filename=\"..\"",
        "attachment; filename=\".\"",
        "attachment; filename=\"\"",
        "attachment; filename=",
        "attachment; filename=\"/etc/passwd\"",
        "attachment; filename=\"/\"",
        "attachment; filename=\"a/../../b\"",
        "attachment; filename=\".bashrc\"",
        "attachment; filename=\"...bashrc\"",
        "attachment; filename=\" .bashrc\"",
        "attachment; filename=\". .bashrc\"",
        "attachment; filename=\" . . .bashrc\"",
        "attachment; filename=\"..\\\\..\\\\evil.exe\"",
        "attachment; filename=\"C:\\\\Windows\\\\evil.exe\"",
        "attachment; filename=~/.ssh/authorized_keys",
        "attachment; filename*=UTF-8''..%2F..%2Fevil",
        "attachment; filename*=UTF-8''%2e%2e%2f%2e%2e%2fevil",
        "attachment; filename*=UTF-8''%2Fetc%2Fpasswd",
        "attachment; filename*=UTF-8''..%5C..%5Cevil",
        "attachment; filename*=UTF-8''a%00b",
        "attachment; filename*=UTF-8''a%0Ab",
        "attachment; filename*=UTF-8''a%1B%5B2Jb",
        "attachment; filename*=UTF-8''a%C2%9B2Jb",
        "attachment; filename*=UTF-8''%E2%80%AEgpj.exe",
        "attachment; filename*=UTF-8''%EF%BB%BF.bashrc",
        "attachment; filename*=UTF-8''%E2%80%AE.bashrc",
        "attachment; filename*=UTF-8''%FF%FE",
        "attachment; filename*=UTF-8''%C0%AE%C0%AE%C0%AFevil",
        "attachment; filename*=ISO-8859-1''%2e%2e%2fevil",
        "attachment; filename*=utf-7''+AC4ALgAv-evil",
        "attachment; filename*=UTF-8''%",
        "attachment; filename*=UTF-8''%4",
        "attachment; filename*=''",
        "attachment; filename*=",
        "attachment; filename=\"safe\"; filename*=UTF-8''..%2Fevil",
        "attachment; filename*=UTF-8''..%2Fevil; filename=\"../evil\"",
        "attachment; filename=\"=?utf-8?q?../evil?=\"",
        "attachment; filename=\"a\"; filename=\"../b\"",
        "filename=\"../evil\"",
        ";;;=;filename",
        "",
    ] {
        let line = format!("Content-Disposition: {disposition}");
        stays_inside(&line, disposition);
    }
    let long = "ä".repeat(500);
    for line in [
        format!(
            "Content-Disposition: attachment; filename=\"{}.txt\"",
            "x".repeat(5_000)
        ),
        format!(
            "Content-Disposition: attachment; filename*=UTF-8''{}",
            "%C3%A4".repeat(500)
        ),
        format!("Content-Disposition: attachment; filename=\"{long}\""),
    ] {
        stays_inside(&line, "a long name");
    }
}

fn stays_inside(line: &str, what: &str) {
    let field = line.to_owned();
    let server = talker(move |_, _| response("200 OK", &[&field], b"content"));
    let folder = folder();
    let arguments = [
        "http-get",
        "--content-disposition",
        "--output-dir",
        "out/in",
    ];
    let url = server.url("/from-url");
    let run = proto_in(folder.path(), &[&arguments[..], &[&url]].concat());
    assert_harmless(&run);
    assert_eq!(run.code, 0, "{what}: {}", run.stderr);
    assert_eq!(names(folder.path()), ["out"], "{what}");
    assert_eq!(names(&folder.path().join("out")), ["in"], "{what}");
    let inside = folder.path().join("out/in");
    let [name] = &names(&inside)[..] else {
        panic!("{what}: {:?}", names(&inside))
    };
    assert!(
        !name.starts_with('.') && name.len() <= 200,
        "{what}: {name:?}"
    );
    assert!(!name.chars().any(is_harmful), "{what}: {name:?}");
    assert_eq!(fs::read(inside.join(name)).unwrap(), b"content", "{what}");
}

#[test]
fn names_in_urls_stay_in_the_folder_too() {
    let server = talker(|_, _| ok(b"content"));
    for path in [
        "/../../evil",
        "/..%2f..%2fevil",
        "/%2e%2e",
        "/.bashrc",
        "/%2ebashrc",
        "/a%1b%5b2Jb",
        "/a%5c..%5cb",
        "/a%00b",
        "/%E2%80%AEgpj.exe",
        "/%ff%fe",
        "/",
        "//",
        "/?../evil",
    ] {
        let folder = folder();
        let url = server.url(path);
        proto_in(folder.path(), &["http-get", "--output-dir", "out", &url]).exits(0);
        assert_eq!(names(folder.path()), ["out"], "{path}");
        let inside = names(&folder.path().join("out"));
        let [name] = &inside[..] else {
            panic!("{path}: {inside:?}")
        };
        assert!(!name.starts_with('.'), "{path}: {name:?}");
        assert!(!name.chars().any(is_harmful), "{path}: {name:?}");
    }
}

#[test]
fn a_name_from_a_server_replaces_nothing() {
    let server = talker(|_, _| {
        response(
            "200 OK",
            &["Content-Disposition: attachment; filename=precious"],
            b"evil",
        )
    });
    let folder = folder();
    fs::write(folder.path().join("precious"), "old").unwrap();
    let arguments = ["http-get", "--content-disposition", &server.url("/")];
    proto_in(folder.path(), &arguments).exits(74);
    assert_eq!(fs::read(folder.path().join("precious")).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["precious"]);
}

#[test]
fn links_that_wait_for_us_are_not_written_through() {
    let server = talker(|_, _| response("200 OK", &["ETag: \"v1\""], &vec![b'x'; 100_000]));
    let outside = folder();
    let target = outside.path().join("target");
    for suffix in ["", ".part", ".part.json", ".part.json.new"] {
        for (kind, option) in [
            ("", ""),
            ("", "--force"),
            ("", "--continue"),
            ("dangling", ""),
            ("dangling", "--force"),
        ] {
            let _ = fs::remove_file(&target);
            if kind.is_empty() {
                fs::write(&target, "precious").unwrap();
            }
            let folder = folder();
            symlink(&target, folder.path().join(format!("file{suffix}"))).unwrap();
            let mut command = command(&["http-get", "-o", "file", &server.url("/")]);
            command.current_dir(folder.path());
            if !option.is_empty() {
                command.arg(option);
            }
            let run = crate::harness::Run::from(command.output().unwrap());
            assert_harmless(&run);
            let what = format!("{suffix:?} {kind} {option}: {} {}", run.code, run.stderr);
            assert!(matches!(run.code, 0 | 74), "{what}");
            match kind {
                "" => assert_eq!(fs::read(&target).unwrap(), b"precious", "{what}"),
                _ => assert!(fs::symlink_metadata(&target).is_err(), "{what}"),
            }
            // What was made is a file of our own.
            if run.code == 0 && option != "--continue" {
                let made = fs::symlink_metadata(folder.path().join("file")).unwrap();
                assert!(made.is_file(), "{what}");
            }
        }
    }
}

#[test]
fn what_is_in_the_way_stays_as_it_is() {
    // Large enough to need a part.
    let server = talker(|_, _| ok(&[b'e'; 100_000]));
    for name in ["file", "file.part"] {
        let folder = folder();
        fs::write(folder.path().join(name), "old").unwrap();
        let mut command = command(&["http-get", "-o", "file", &server.url("/")]);
        command.current_dir(folder.path());
        crate::harness::Run::from(command.output().unwrap()).exits(74);
        assert_eq!(fs::read(folder.path().join(name)).unwrap(), b"old");
        assert_eq!(names(folder.path()), [name]);
        // A folder is not even replaced by force.
        fs::remove_file(folder.path().join(name)).unwrap();
        fs::create_dir(folder.path().join(name)).unwrap();
        command.arg("--force");
        crate::harness::Run::from(command.output().unwrap()).exits(74);
        assert_eq!(names(folder.path()), [name]);
    }
}

#[test]
fn a_download_that_was_killed_is_not_whole_and_can_go_on() {
    const LENGTH: u64 = 400_000;
    let web = Web::serve(&[]);
    let url = web.url(&format!("/mock/bytes/{LENGTH}"));
    for wait in [0, 50, 200, 500] {
        let folder = folder();
        let mut command = command(&["http-get", "-o", "file", "--limit-rate", "200000", &url]);
        let mut child = Running(command.current_dir(folder.path()).spawn().unwrap());
        let part = folder.path().join("file.part");
        while fs::metadata(&part).map_or(0, |metadata| metadata.len()) == 0 {
            thread::sleep(Duration::from_millis(2));
        }
        thread::sleep(Duration::from_millis(wait));
        // SIGKILL.
        child.0.kill().unwrap();
        child.0.wait().unwrap();
        let left = fs::metadata(&part).unwrap().len();
        assert!(left < LENGTH, "{left}");
        assert_eq!(names(folder.path()), ["file.part", "file.part.json"]);
        let mut content = vec![0; usize::try_from(LENGTH).unwrap()];
        fill(0, &mut content);
        download_in(folder, &url, &["--continue"]).gives(&content);
    }
    let ranges = web.site.requests().len();
    assert_eq!(ranges, 8);
}

#[test]
fn a_file_that_somebody_else_cut_or_wrote_to_is_not_taken_for_ours() {
    // The digest tells, where the user has one.
    let web = Web::serve(&[]);
    let url = web.url("/mock/truncated/mock/bytes/300000");
    let attempt = super::download(&url, &[]).fails(75);
    let part = attempt.path().join("file.part");
    let mut bytes = fs::read(&part).unwrap();
    bytes[10] ^= 1;
    fs::write(&part, bytes).unwrap();
    let checksum = format!("sha256:{}", "00".repeat(32));
    let url = url.replace("/mock/truncated", "");
    download_in(
        attempt.folder,
        &url,
        &["--continue", "--checksum", &checksum, "--force"],
    )
    .fails(76);
}
