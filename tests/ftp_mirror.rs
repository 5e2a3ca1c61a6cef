//! `proto ftp-mirror`: trees made like others.

use std::fs;

use crate::ftp_get::{record, rows, Ftp};
use crate::harness::{folder, names, proto_in, Run};

/// What was done with what, sorted.
fn done(run: &Run) -> Vec<String> {
    let rows = rows(run);
    let mut done: Vec<String> = rows
        .iter()
        .map(|row| {
            let word = |name: &str| row[name].as_str().unwrap().to_owned();
            format!("{} {}", word("result"), word("path"))
        })
        .collect();
    done.sort();
    done
}

#[test]
fn down_and_only_what_has_changed() {
    for without in [&[][..], &["MLST"]] {
        let ftp = Ftp::without(without);
        let place = folder();
        let url = ftp.url("pub");
        let mirror = [
            "ftp-mirror",
            url.as_str(),
            "copy",
            "--delete",
            "--json",
            "-j",
            "2",
        ];
        let run = proto_in(place.path(), &mirror).exits(0);
        assert_eq!(
            done(&run),
            [
                "got empty",
                "got hello.txt",
                "got sub/.hidden",
                "got sub/deep/x",
                "got two words",
                "made sub",
                "made sub/deep"
            ],
            "{without:?}"
        );
        assert_eq!(
            done(&proto_in(place.path(), &mirror).exits(0)),
            [""; 0],
            "{without:?}"
        );
        ftp.ftp.files.put("pub/two words", "two\n");
        fs::write(place.path().join("copy/extra"), "").unwrap();
        fs::create_dir(place.path().join("copy/more")).unwrap();
        fs::write(place.path().join("copy/more/x"), "").unwrap();
        let wanted = [
            "deleted extra",
            "deleted more",
            "deleted more/x",
            "got two words",
        ];
        let dry = proto_in(place.path(), &[&mirror[..], &["-n"]].concat()).exits(0);
        let planned = [
            "delete extra",
            "delete more",
            "delete more/x",
            "get two words",
        ];
        assert_eq!(done(&dry), planned);
        assert!(place.path().join("copy/more/x").exists());
        assert_eq!(done(&proto_in(place.path(), &mirror).exits(0)), wanted);
        assert!(!place.path().join("copy/more").exists());
        assert_eq!(
            fs::read(place.path().join("copy/two words")).unwrap(),
            b"two\n"
        );
        ftp.is_content();
    }
}

#[test]
fn up_and_only_what_has_changed() {
    for without in [&[][..], &["MFMT"], &["MLST"]] {
        let ftp = Ftp::without(without);
        let place = folder();
        fs::create_dir_all(place.path().join("tree/b/c")).unwrap();
        fs::write(place.path().join("tree/a"), "a").unwrap();
        fs::write(place.path().join("tree/b/c/d d"), "d").unwrap();
        std::os::unix::fs::symlink("/etc", place.path().join("tree/link")).unwrap();
        let url = ftp.url("new/tree");
        let mirror = ["ftp-mirror", "tree", url.as_str(), "--delete", "--json"];
        let run = proto_in(place.path(), &mirror).exits(0);
        let wanted = ["made b", "made b/c", "put a", "put b/c/d d", "skipped link"];
        assert_eq!(done(&run), wanted, "{without:?}");
        assert_eq!(ftp.ftp.files.get("new/tree/b/c/d d").unwrap(), b"d");
        let again = proto_in(place.path(), &mirror).exits(0);
        assert_eq!(done(&again), ["skipped link"], "{without:?}");
        ftp.ftp.files.put("new/tree/b/extra", "x");
        fs::write(place.path().join("tree/a"), "other").unwrap();
        let run = proto_in(place.path(), &mirror).exits(0);
        assert_eq!(done(&run), ["deleted b/extra", "put a", "skipped link"]);
        ftp.is_content();
    }
}

#[test]
fn nothing_is_deleted_when_the_source_is_not_known_whole() {
    for flaw in ["strange-lines", "hostile-names"] {
        let ftp = Ftp::flawed(&[flaw]);
        let place = folder();
        fs::create_dir(place.path().join("copy")).unwrap();
        fs::write(place.path().join("copy/precious"), "").unwrap();
        let url = ftp.url("pub");
        let mirror = ["ftp-mirror", url.as_str(), "copy", "--delete"];
        let run = proto_in(place.path(), &mirror);
        assert_ne!(run.code, 0, "{flaw}");
        assert!(
            run.stderr.contains("nothing is deleted"),
            "{flaw}: {}",
            run.stderr
        );
        assert!(place.path().join("copy/precious").exists(), "{flaw}");
        assert!(place.path().join("copy/hello.txt").exists(), "{flaw}");
    }
    let ftp = Ftp::flawed(&[]);
    let place = folder();
    fs::create_dir(place.path().join("copy")).unwrap();
    fs::write(place.path().join("copy/precious"), "").unwrap();
    for (path, options) in [
        ("none", &["--delete"][..]),
        ("pub/none/", &["--delete"]),
        ("void", &["--delete", "--max-delete", "0"]),
    ] {
        let url = ftp.url(path);
        let mirror = ["ftp-mirror", url.as_str(), "copy"];
        let run = proto_in(place.path(), &[&mirror[..], options].concat());
        assert_ne!(run.code, 0, "{path}");
        assert_eq!(names(&place.path().join("copy")), ["precious"], "{path}");
    }
}

#[test]
fn failures_are_counted_and_the_rest_goes_on() {
    let ftp = Ftp::ruled(&["retr=pub/hello.txt reply=550 No"]);
    let place = folder();
    let url = ftp.url("pub");
    let mirror = [
        "ftp-mirror",
        url.as_str(),
        "copy",
        "--report",
        "report",
        "--json",
    ];
    let run = proto_in(place.path(), &mirror).exits(69);
    assert!(done(&run).contains(&"failed hello.txt".to_owned()));
    assert!(place.path().join("copy/two words").exists());
    let record = record(place.path());
    assert_eq!(record["exit"], 69);
    assert!(!record["ok"].as_bool().unwrap());
}

#[test]
fn a_server_that_allows_few_connections_is_enough() {
    let ftp = Ftp::ruled(&["connect after=2 reply=421 too many"]);
    let place = folder();
    let url = ftp.url("pub");
    proto_in(place.path(), &["ftp-mirror", &url, "copy", "-j", "4"]).exits(0);
    assert_eq!(names(&place.path().join("copy")).len(), 4);
}

#[test]
fn a_command_that_is_lost_is_asked_again_on_another_connection() {
    // What is asked ahead is not answered.
    let ftp = Ftp::ruled(&["epsv after=4 count=1 drop"]);
    let place = folder();
    let url = ftp.url("pub");
    proto_in(place.path(), &["ftp-mirror", &url, "copy"]).exits(0);
    assert_eq!(names(&place.path().join("copy")).len(), 4);
}

#[test]
fn a_folder_that_is_not_there_is_made_whatever_the_server_calls_that() {
    // As ProFTPD does.
    let ftp = Ftp::ruled(&["mlsd=new count=1 reply=450 new: No such file or directory"]);
    let place = folder();
    fs::create_dir(place.path().join("tree")).unwrap();
    fs::write(place.path().join("tree/a"), "a").unwrap();
    let url = ftp.url("new");
    proto_in(place.path(), &["ftp-mirror", "tree", &url]).exits(0);
    assert_eq!(ftp.ftp.files.get("new/a").unwrap(), b"a");
    // What is there and busy is not taken for missing.
    let busy = Ftp::ruled(&["mlsd=pub reply=450 busy"]);
    let url = busy.url("pub");
    proto_in(place.path(), &["ftp-mirror", &url, "copy", "--delete"]).exits(75);
    proto_in(place.path(), &["ftp-mirror", "tree", &url, "--delete"]).exits(75);
}

#[test]
fn one_side_is_a_url() {
    let place = folder();
    for arguments in [
        &["a", "b"][..],
        &["ftp://localhost:1/a", "ftp://localhost:1/b"],
        &["http://localhost:1/a", "b"],
        &["ftp://localhost:1/a", "b", "--exclude", "["],
    ] {
        let run = proto_in(place.path(), &[&["ftp-mirror"], arguments].concat());
        assert_eq!(run.code, 64, "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn a_name_that_no_command_can_hold_fails_alone() {
    let ftp = Ftp::flawed(&[]);
    let place = folder();
    fs::create_dir_all(place.path().join("tree/a\nb")).unwrap();
    fs::create_dir_all(place.path().join("tree/sub")).unwrap();
    for name in ["a\nb/x", "sub/y", "z"] {
        fs::write(place.path().join("tree").join(name), "x").unwrap();
    }
    let url = ftp.url("new");
    let mirror = ["ftp-mirror", "tree", url.as_str(), "--json"];
    let run = proto_in(place.path(), &mirror).exits(64);
    let wanted = [
        "failed a\nb",
        "failed a\nb/x",
        "made sub",
        "put sub/y",
        "put z",
    ];
    assert_eq!(done(&run), wanted);
}
