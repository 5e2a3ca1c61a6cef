//! `proto ftp-mirror`: trees made like others.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, UNIX_EPOCH};

use proto_mock::Options;
use sha2::{Digest, Sha256};

use crate::ftp_get::{files, record, rows, Ftp};
use crate::harness::{command, folder, names, proto_in, Run};

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
    for without in [&[][..], &["MFMT"], &["MLST"], &["MFMT", "MLST"]] {
        let ftp = Ftp::without(without);
        let place = folder();
        fs::create_dir_all(place.path().join("tree/b/c")).unwrap();
        fs::write(place.path().join("tree/a"), "a").unwrap();
        fs::write(place.path().join("tree/b/c/d d"), "d").unwrap();
        symlink("/etc", place.path().join("tree/link")).unwrap();
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
fn a_change_that_the_listing_does_not_show_is_seen() {
    // A time to the minute or, long ago, to the day, and in a zone that nothing tells.
    const THERE: i64 = 1_767_268_800 + 30;
    for (without, asked) in [
        (&["MFMT", "MLST"][..], true),
        (&["MLST"], true),
        (&["MFMT", "MLST", "MDTM"], false),
    ] {
        let ftp = Ftp::without(without);
        let place = folder();
        fs::create_dir(place.path().join("tree")).unwrap();
        let path = place.path().join("tree/f");
        let url = ftp.url("new");
        let keeps_times = !without.contains(&"MFMT");
        // What is changed here so long after it was sent.
        let mirror = |after: i64| {
            fs::write(&path, "text").unwrap();
            let seconds = u64::try_from(THERE + after).unwrap();
            let file = fs::File::options().append(true).open(&path).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds))
                .unwrap();
            ftp.ftp.files.put("new/f", "TEXT");
            assert!(ftp.ftp.files.set_modified("new/f", THERE));
            let before = ftp.count_of("MDTM");
            let run = ["ftp-mirror", "tree", &url, "--json", "--direct"];
            let run = proto_in(place.path(), &run).exits(0);
            (!done(&run).is_empty(), ftp.count_of("MDTM") > before)
        };
        for (after, is_sent, is_clear) in [
            (2, true, false),
            (0, !asked, false),
            (-2, keeps_times || !asked, false),
            (3 * 86_400, true, true),
            (-3 * 86_400, keeps_times, true),
        ] {
            let (sent, has_asked) = mirror(after);
            assert_eq!(sent, is_sent, "{without:?} {after}");
            // What is sent is asked for when it is there.
            if !is_sent {
                assert_eq!(has_asked, !is_clear && asked, "{without:?} {after}");
            }
        }
    }
}

#[test]
fn what_is_a_link_here_is_not_deleted_there() {
    let ftp = Ftp::flawed(&[]);
    let place = folder();
    for name in ["v1", "cur", "current"] {
        fs::create_dir_all(place.path().join("tree").join(name)).unwrap();
        fs::write(place.path().join("tree").join(name).join("a"), "1").unwrap();
    }
    fs::write(place.path().join("tree/f"), "1").unwrap();
    let url = ftp.url("new");
    let mirror = ["ftp-mirror", "tree", url.as_str(), "--json", "--delete"];
    proto_in(place.path(), &mirror).exits(0);
    for name in ["cur", "current"] {
        fs::remove_dir_all(place.path().join("tree").join(name)).unwrap();
    }
    fs::remove_file(place.path().join("tree/f")).unwrap();
    symlink("v1", place.path().join("tree/cur")).unwrap();
    symlink("v1/a", place.path().join("tree/f")).unwrap();
    let run = proto_in(place.path(), &mirror).exits(0);
    let wanted = [
        "deleted current",
        "deleted current/a",
        "skipped cur",
        "skipped f",
    ];
    assert_eq!(done(&run), wanted);
    assert!(ftp.ftp.files.get("new/cur/a").is_some());
    assert!(ftp.ftp.files.get("new/f").is_some());
}

#[test]
fn a_part_that_was_gone_on_with_need_not_be_deleted() {
    for without in [&[][..], &["MLST"]] {
        let mut ftp = files();
        ftp.without = without.iter().map(|name| (*name).to_owned()).collect();
        ftp.rules = vec!["cut=new/* count=1 drop reply=1000000".parse().unwrap()];
        let ftp = Ftp::with(ftp, Options::default());
        let (place, state) = (folder(), folder());
        fs::create_dir(place.path().join("tree")).unwrap();
        fs::write(place.path().join("tree/v"), vec![7; 2_500_000]).unwrap();
        let url = ftp.url("new");
        let mirror = || -> Run {
            let mut command = command(&["ftp-mirror", "tree", &url, "--json", "--delete"]);
            command.env("XDG_STATE_HOME", state.path());
            command.current_dir(place.path()).output().unwrap().into()
        };
        mirror().exits(75);
        assert_eq!(ftp.parts().len(), 1);
        assert_eq!(done(&mirror().exits(0)), ["put v"]);
        assert_eq!(ftp.count_of("APPE"), 1);
        // One of another content goes, unless somebody is at it.
        ftp.ftp.files.put("new/v.01234567.part", "x");
        let digest = Sha256::digest(format!("anonymous@localhost:{}\0new/v", ftp.port()));
        let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let lock = state.path().join(format!("proto/ftp/{name}.lock"));
        let file = fs::File::create(&lock).unwrap();
        file.lock().unwrap();
        assert_eq!(done(&mirror().exits(0)), ["skipped v.01234567.part"]);
        drop(file);
        assert_eq!(done(&mirror().exits(0)), ["deleted v.01234567.part"]);
    }
}

#[test]
fn what_is_a_file_on_one_side_and_a_folder_on_the_other() {
    for without in [&[][..], &["MLST"]] {
        let ftp = Ftp::without(without);
        let place = folder();
        let path = |name: &str| place.path().join("tree").join(name);
        fs::create_dir_all(path("file/in/it")).unwrap();
        fs::write(path("file/in/it/x"), "1").unwrap();
        fs::write(path("folder"), "text").unwrap();
        ftp.ftp.files.put("new/file", "old");
        ftp.ftp.files.put("new/folder/a/b", "old");
        ftp.ftp.files.put("new/folder/c", "old");
        let url = ftp.url("new");
        let mirror = ["ftp-mirror", "tree", url.as_str(), "--json"];
        let run = proto_in(place.path(), &mirror).exits(69).says("--delete");
        assert_eq!(done(&run), ["failed file", "failed folder"]);
        assert_eq!(ftp.ftp.files.get("new/file").unwrap(), b"old");
        assert_eq!(ftp.count_of("STOR"), 0);
        let delete = [&mirror[..], &["--delete"]].concat();
        let few = [&delete[..], &["--max-delete", "4"]].concat();
        proto_in(place.path(), &few).exits(65);
        let dry = proto_in(place.path(), &[&delete[..], &["-n"]].concat()).exits(0);
        let planned = [
            "delete file",
            "delete folder",
            "delete folder/a",
            "delete folder/a/b",
            "delete folder/c",
            "make file",
            "make file/in",
            "make file/in/it",
            "put file/in/it/x",
            "put folder",
        ];
        assert_eq!(done(&dry), planned);
        assert_eq!(ftp.count_of("DELE") + ftp.count_of("RMD"), 0);
        let run = proto_in(place.path(), &delete).exits(0);
        assert_eq!(done(&run).len(), planned.len());
        assert_eq!(ftp.ftp.files.get("new/file/in/it/x").unwrap(), b"1");
        assert_eq!(ftp.ftp.files.get("new/folder").unwrap(), b"text");
        assert_eq!(done(&proto_in(place.path(), &delete).exits(0)), [""; 0]);
    }
}

#[test]
fn a_folder_with_something_that_is_not_meant_stays() {
    let ftp = Ftp::flawed(&[]);
    let place = folder();
    fs::create_dir(place.path().join("tree")).unwrap();
    fs::write(place.path().join("tree/a"), "1").unwrap();
    ftp.ftp.files.put("new/old/x", "1");
    ftp.ftp.files.put("new/old/y.keep", "1");
    let url = ftp.url("new");
    let keep = ["--delete", "--exclude", "*.keep", "--json"];
    let mirror = ["ftp-mirror", "tree", url.as_str()];
    let run = proto_in(place.path(), &[&mirror[..], &keep].concat()).exits(0);
    assert_eq!(done(&run), ["deleted old/x", "put a"]);
    assert!(ftp.ftp.files.get("new/old/y.keep").is_some());
    // That it may not be deleted is something else.
    let fixed = Ftp::ruled(&["rmd reply=550 No"]);
    fixed.ftp.files.make_folder("new/old");
    let url = fixed.url("new");
    let mirror = ["ftp-mirror", "tree", url.as_str(), "--delete"];
    proto_in(place.path(), &mirror).exits(69);
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

#[test]
fn what_an_earlier_run_has_left_is_not_deleted_but_gone_on_with() {
    let ftp = Ftp::ruled(&["cut=v/v.bin count=1 reply=1500000"]);
    ftp.ftp.files.put("v/v.bin", vec![7; 2_000_000]);
    assert!(ftp.ftp.files.set_modified("v/v.bin", 1_000_000_000));
    let place = folder();
    let url = ftp.url("v");
    let mirror = ["ftp-mirror", url.as_str(), "copy", "--delete", "--json"];
    proto_in(place.path(), &mirror).exits(75);
    let copy = place.path().join("copy");
    assert_eq!(names(&copy), ["v.bin.part", "v.bin.part.json"]);
    fs::write(copy.join("old.part"), "").unwrap();
    let planned = proto_in(place.path(), &[&mirror[..], &["-n"]].concat()).exits(0);
    assert_eq!(done(&planned), ["delete old.part", "get v.bin"]);
    let run = proto_in(place.path(), &mirror).exits(0);
    assert_eq!(done(&run), ["deleted old.part", "got v.bin"]);
    assert_eq!(names(&copy), ["v.bin"]);
    assert_eq!(ftp.count_of("REST"), 1);
}

#[test]
fn what_has_become_something_else_is_replaced_where_that_may_be_deleted() {
    let ftp = Ftp::flawed(&[]);
    let place = folder();
    let copy = place.path().join("copy");
    fs::create_dir_all(copy.join("hello.txt/deep")).unwrap();
    fs::write(copy.join("hello.txt/deep/x"), "").unwrap();
    fs::write(copy.join("sub"), "").unwrap();
    let url = ftp.url("pub");
    let mirror = ["ftp-mirror", url.as_str(), "copy", "--json"];
    proto_in(place.path(), &mirror).exits(74);
    assert!(copy.join("hello.txt/deep/x").exists());
    let delete = [&mirror[..], &["--delete"]].concat();
    proto_in(
        place.path(),
        &[&delete[..], &["--max-delete", "3"]].concat(),
    )
    .exits(65);
    let planned = proto_in(place.path(), &[&delete[..], &["-n"]].concat()).exits(0);
    let run = proto_in(place.path(), &delete).exits(0);
    let wanted = [
        "deleted hello.txt",
        "deleted hello.txt/deep",
        "deleted hello.txt/deep/x",
        "deleted sub",
        "got hello.txt",
        "got sub/.hidden",
        "got sub/deep/x",
        "made sub",
        "made sub/deep",
    ];
    assert_eq!(done(&run), wanted);
    let same = |row: &String| row.replace("delete ", "deleted ");
    let planned: Vec<String> = done(&planned).iter().map(same).collect();
    assert_eq!(planned[..4], wanted[..4]);
    assert_eq!(fs::read(copy.join("hello.txt")).unwrap(), b"Hello\n");
    assert_eq!(done(&proto_in(place.path(), &delete).exits(0)), [""; 0]);
    // What is excluded stays, and so does what is in its way.
    fs::remove_file(copy.join("hello.txt")).unwrap();
    fs::create_dir(copy.join("hello.txt")).unwrap();
    fs::write(copy.join("hello.txt/keep.me"), "").unwrap();
    let keep = [&delete[..], &["--exclude", "keep.me"]].concat();
    proto_in(place.path(), &keep).exits(74);
    assert!(copy.join("hello.txt/keep.me").exists());
}

#[test]
fn a_tree_may_hold_the_names_that_we_give_to_parts() {
    for without in [&[][..], &["MLST"]] {
        let ftp = Ftp::without(without);
        for name in ["a", "a.part", "a.part.json"] {
            ftp.ftp.files.put(&format!("t/{name}"), name);
            assert!(ftp
                .ftp
                .files
                .set_modified(&format!("t/{name}"), 1_000_000_000));
        }
        let place = folder();
        let url = ftp.url("t");
        let mirror = [
            "ftp-mirror",
            url.as_str(),
            "copy",
            "--json",
            "-j",
            "3",
            "--delete",
        ];
        proto_in(place.path(), &mirror).exits(0);
        assert_eq!(done(&proto_in(place.path(), &mirror).exits(0)), [""; 0]);
        ftp.ftp.files.put("t/a", "other");
        assert_eq!(done(&proto_in(place.path(), &mirror).exits(0)), ["got a"]);
        for (name, text) in [
            ("a", "other"),
            ("a.part", "a.part"),
            ("a.part.json", "a.part.json"),
        ] {
            assert_eq!(
                fs::read_to_string(place.path().join("copy").join(name)).unwrap(),
                text
            );
        }
        proto_in(place.path(), &["ftp-get", "-r", &url]).exits(0);
        assert_eq!(
            names(&place.path().join("t")),
            ["a", "a.part", "a.part.json"]
        );
        ftp.is_content();
    }
}

/// A time in the minute before this one, so many seconds into it.
fn lately(second: i64) -> i64 {
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(now / 60 * 60).unwrap() - 60 + second
}

#[test]
fn changes_that_a_listing_does_not_show_are_seen_where_the_server_tells_times() {
    for (without, sees) in [
        (&["MLST"][..], true),
        (&["MLST", "MDTM"], false),
        (&[], true),
    ] {
        let ftp = Ftp::without(without);
        let change = |text: &str, second: i64| {
            ftp.ftp.files.put("t/f", text);
            assert!(ftp.ftp.files.set_modified("t/f", second));
        };
        let place = folder();
        let url = ftp.url("t");
        let mirror = ["ftp-mirror", url.as_str(), "copy", "--json"];
        let minute = lately(0);
        change("aaaa", minute + 5);
        assert_eq!(done(&proto_in(place.path(), &mirror).exits(0)), ["got f"]);
        assert_eq!(
            done(&proto_in(place.path(), &mirror).exits(0)),
            [""; 0],
            "{without:?}"
        );
        change("bbbb", minute + 40);
        let run = proto_in(place.path(), &mirror).exits(0);
        let wanted = if sees { vec!["got f"] } else { vec![] };
        assert_eq!(done(&run), wanted, "{without:?}");
        ftp.is_content();
    }
    // What is old is certain, and nothing is asked of it.
    let ftp = Ftp::without(&["MLST"]);
    ftp.ftp.files.put("t/f", "aaaa");
    assert!(ftp.ftp.files.set_modified("t/f", 1_000_000_000));
    let place = folder();
    for _ in 0..2 {
        proto_in(place.path(), &["ftp-mirror", &ftp.url("t"), "copy"]).exits(0);
    }
    assert_eq!((ftp.count_of("MDTM"), ftp.count_of("RETR")), (0, 1));
}

#[test]
fn sizes_that_a_listing_does_not_tell_are_asked_for() {
    for without in [&["MLST"][..], &["MLST", "SIZE"], &["MLST", "SIZE", "MDTM"]] {
        let mut server = crate::ftp_get::files();
        server.style = proto_mock::ftp::Style::Vms;
        server.without = without.iter().map(|name| (*name).to_owned()).collect();
        server.files.put("v/plain", "text");
        server.files.put("v/B.TXT", "text");
        let ftp = Ftp::with(server, proto_mock::Options::default());
        let place = folder();
        let url = ftp.url("v");
        let mirror = ["ftp-mirror", url.as_str(), "copy", "--json"];
        let run = proto_in(place.path(), &mirror).exits(0);
        assert_eq!(done(&run), ["got B.TXT", "got plain."], "{without:?}");
        assert_eq!(
            done(&proto_in(place.path(), &mirror).exits(0)),
            [""; 0],
            "{without:?}"
        );
        if !without.contains(&"SIZE") {
            fs::write(place.path().join("copy/B.TXT"), "longer").unwrap();
            assert_eq!(
                done(&proto_in(place.path(), &mirror).exits(0)),
                ["got B.TXT"]
            );
        }
        ftp.is_content();
    }
}

#[test]
fn a_host_and_its_port_are_a_url() {
    let ftp = Ftp::flawed(&[]);
    let place = folder();
    let bare = ftp.url("pub").replace("ftp://", "");
    proto_in(place.path(), &["ftp-mirror", &bare, "copy"]).exits(0);
    assert_eq!(names(&place.path().join("copy")).len(), 4);
    let bare = ftp.url("new").replace("ftp://", "");
    proto_in(place.path(), &["ftp-mirror", "copy", &bare]).exits(0);
    assert_eq!(ftp.ftp.files.get("new/hello.txt").unwrap(), b"Hello\n");
    // What is here is meant where there is such a thing.
    fs::create_dir_all(place.path().join("host:21/a")).unwrap();
    let url = ftp.url("newer");
    proto_in(place.path(), &["ftp-mirror", "host:21", &url]).exits(0);
    assert_eq!(ftp.count_of("MKD newer/a"), 1);
}

#[test]
fn what_a_server_may_only_hide_is_not_deleted_here() {
    let mut server = crate::ftp_get::files();
    server.without = vec!["MLST".to_owned()];
    server
        .rules
        .push("list=-a* reply=550 no such file".parse().unwrap());
    server.files.put("t/f", "text");
    server.files.put("t/.h", "text");
    let ftp = Ftp::with(server, proto_mock::Options::default());
    let place = folder();
    std::fs::create_dir(place.path().join("copy")).unwrap();
    for name in [".h", "gone"] {
        std::fs::write(place.path().join("copy").join(name), "text").unwrap();
    }
    let url = ftp.url("t");
    let run = proto_in(place.path(), &["ftp-mirror", "--delete", &url, "copy"]).exits(0);
    assert!(run.text().contains("gone"), "{run:?}");
    assert!(place.path().join("copy/.h").exists());
    assert!(!place.path().join("copy/gone").exists());
}
