//! `proto ftp-put`: files to an FTP server.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, UNIX_EPOCH};

use proto_mock::Options;

use crate::ftp_get::{files, record, rows, Ftp};
use crate::harness::{authority, command, folder, names, proto_in, tls, wait_for, Run, Running};

/// A folder with two files.
fn place() -> tempfile::TempDir {
    let place = folder();
    fs::write(place.path().join("a.txt"), "one\ntwo\n").unwrap();
    fs::write(place.path().join("b b"), vec![7; 2_500_000]).unwrap();
    place
}

#[test]
fn a_file_has_its_name_when_all_of_it_is_there() {
    for options in [&[][..], &["--safe"], &["--no-pipelining"], &["--active"]] {
        let ftp = Ftp::flawed(&[]);
        let place = place();
        let url = ftp.url("pub/");
        let put = ["ftp-put", "a.txt", "b b", url.as_str(), "--json"];
        let run = proto_in(place.path(), &[&put[..], options].concat()).exits(0);
        assert_eq!(rows(&run).len(), 2);
        assert_eq!(ftp.ftp.files.get("pub/a.txt").unwrap(), b"one\ntwo\n");
        assert_eq!(ftp.ftp.files.get("pub/b b").unwrap().len(), 2_500_000);
        assert!(ftp
            .ftp
            .files
            .paths()
            .iter()
            .all(|path| !path.contains(".part")));
        assert_eq!(
            ftp.count_of("STOR pub/a.txt."),
            1,
            "another name: {:?}",
            ftp.heard()
        );
        assert_eq!(ftp.count_of("RNTO"), 2);
        // It has the time of its original.
        let here = fs::metadata(place.path().join("a.txt"))
            .unwrap()
            .modified()
            .unwrap();
        let here = here
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        assert_eq!(
            ftp.ftp.files.modified("pub/a.txt"),
            i64::try_from(here).ok()
        );
        ftp.is_content();
    }
}

#[test]
fn nothing_is_replaced_unasked() {
    let ftp = Ftp::flawed(&[]);
    let place = place();
    let url = ftp.url("pub/hello.txt");
    proto_in(place.path(), &["ftp-put", "a.txt", &url])
        .exits(69)
        .says("--force");
    assert_eq!(ftp.ftp.files.get("pub/hello.txt").unwrap(), b"Hello\n");
    assert_eq!(ftp.count_of("STOR"), 0);
    proto_in(place.path(), &["ftp-put", "a.txt", &url, "--force"]).exits(0);
    assert_eq!(ftp.ftp.files.get("pub/hello.txt").unwrap(), b"one\ntwo\n");
    let direct = ["ftp-put", "b b", &url, "--force", "--direct"];
    proto_in(place.path(), &direct).exits(0);
    assert_eq!(ftp.ftp.files.get("pub/hello.txt").unwrap().len(), 2_500_000);
    assert_eq!(ftp.count_of("STOR pub/hello.txt"), 2);
}

/// Servers that tell little of a name, and the status when nothing can tell.
pub fn taciturn() -> Vec<(Ftp, i32)> {
    let of = |without: &[&str], rules: &[&str]| {
        let mut ftp = files();
        ftp.without = without.iter().map(|name| (*name).to_owned()).collect();
        ftp.rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        Ftp::with(ftp, Options::default())
    };
    let old = ["SIZE", "MDTM", "MLST"];
    vec![
        (of(&old, &[]), 69),
        (of(&old[..1], &[]), 69),
        (of(&old[..2], &[]), 69),
        (of(&old[1..], &[]), 69),
        (of(&["SIZE", "MLST"], &[]), 69),
        (of(&[], &["size reply=450 Busy", "mdtm reply=450 Busy"]), 69),
        (of(&["MLST"], &["size reply=450 Busy"]), 75),
        (of(&[], &["mlst reply=451 Sorry"]), 75),
        (of(&old, &["list reply=550 No"]), 69),
        (of(&old, &["list reply=450 Busy"]), 75),
    ]
}

#[test]
fn nothing_is_replaced_unasked_whatever_the_server_tells() {
    for (number, (ftp, code)) in taciturn().into_iter().enumerate() {
        let place = place();
        let url = ftp.url("pub/hello.txt");
        let run = proto_in(place.path(), &["ftp-put", "a.txt", &url]);
        assert_eq!(run.code, code, "{number}: {}", run.stderr);
        assert_eq!(ftp.ftp.files.get("pub/hello.txt").unwrap(), b"Hello\n");
        assert_eq!(ftp.count_of("STOR"), 0, "{number}");
        // What is not there is not taken for something that is.
        let run = proto_in(place.path(), &["ftp-put", "a.txt", &ftp.url("pub/.new")]);
        let is_told = number < 6;
        assert_eq!(run.code == 0, is_told, "{number}: {}", run.stderr);
        proto_in(place.path(), &["ftp-put", "a.txt", &url, "--force"]).exits(0);
        ftp.is_content();
    }
}

#[test]
fn folders_are_made_where_that_is_asked_for() {
    for without in [&[][..], &["MLST"]] {
        let ftp = Ftp::without(without);
        let place = place();
        let url = ftp.url("pub/x/y/");
        let put = ["ftp-put", "a.txt", url.as_str()];
        proto_in(place.path(), &put).exits(69);
        proto_in(place.path(), &[&put[..], &["--mkdir"]].concat()).exits(0);
        assert!(ftp.ftp.files.get("pub/x/y/a.txt").is_some());
        let named = ftp.url("pub/z/name");
        proto_in(place.path(), &["ftp-put", "a.txt", &named, "--mkdir"]).exits(0);
        assert!(ftp.ftp.files.get("pub/z/name").is_some());
        ftp.is_content();
    }
}

#[test]
fn stdin_and_text() {
    let ftp = Ftp::flawed(&[]);
    let url = ftp.url("pub/new;type=a");
    let mut command = command(&["ftp-put", "-", &url]);
    let mut child = command
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"one\ntwo\n")
        .unwrap();
    Run::from(child.wait_with_output().unwrap()).exits(0);
    let stored = ftp.ftp.files.get("pub/new").unwrap();
    assert_eq!(
        String::from_utf8(stored).unwrap().replace('\r', ""),
        "one\ntwo\n"
    );
    assert_eq!(ftp.count_of("TYPE A"), 1);
}

#[test]
fn what_broke_off_is_gone_on_with() {
    let ftp = Ftp::ruled(&["cut=pub/* count=1 reply=1000000"]);
    let place = place();
    let url = ftp.url("pub/");
    let put = ["ftp-put", "b b", url.as_str()];
    proto_in(place.path(), &put).exits(75);
    let again = [&put[..], &["--continue", "--report", "report"]].concat();
    proto_in(place.path(), &again).exits(0);
    assert_eq!(ftp.ftp.files.get("pub/b b").unwrap(), vec![7; 2_500_000]);
    let resumed = record(place.path())["items"][0]["resumed_at"].as_u64();
    assert_eq!(
        resumed.is_some(),
        ftp.count_of("APPE") == 1,
        "{:?}",
        ftp.heard()
    );
    ftp.is_content();
}

#[test]
fn another_file_is_not_taken_for_the_rest() {
    let ftp = Ftp::ruled(&["cut=pub/* count=1 drop reply=1000000"]);
    let place = place();
    let url = ftp.url("pub/");
    let put = ["ftp-put", "b b", url.as_str(), "--continue"];
    let _ = proto_in(place.path(), &put);
    fs::write(place.path().join("b b"), vec![8; 2_400_000]).unwrap();
    proto_in(place.path(), &put).exits(0);
    assert_eq!(ftp.ftp.files.get("pub/b b").unwrap(), vec![8; 2_400_000]);
    assert_eq!(ftp.count_of("APPE"), 0);
}

#[test]
fn another_content_of_the_same_size_and_time_is_not_taken_for_the_rest() {
    let ftp = Ftp::ruled(&["cut=pub/* count=1 drop reply=1000000"]);
    let place = place();
    let url = ftp.url("pub/");
    let put = ["ftp-put", "b b", url.as_str(), "--continue"];
    let write = |byte: u8| {
        let path = place.path().join("b b");
        fs::write(&path, vec![byte; 2_500_000]).unwrap();
        let file = fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000_000))
            .unwrap();
    };
    write(7);
    proto_in(place.path(), &put).exits(75);
    assert_eq!(ftp.parts().len(), 1);
    write(8);
    proto_in(place.path(), &put).exits(0);
    assert!(ftp.ftp.files.get("pub/b b").unwrap() == vec![8; 2_500_000]);
}

#[test]
fn two_uploads_of_a_file_do_not_mix() {
    for options in [&["--safe"][..], &["--force"], &["--direct", "--force"]] {
        let ftp = Ftp::flawed(&[]);
        let (place, state) = (place(), folder());
        let url = ftp.url("pub/b");
        let put = |more: &[&str]| {
            let mut command = command(&[&["ftp-put", "b b", &url], options, more].concat());
            command.current_dir(place.path());
            command.env("XDG_STATE_HOME", state.path());
            command.stderr(Stdio::piped()).stdout(Stdio::piped());
            command
        };
        // It sleeps when it has sent its first block.
        let mut first = Running(put(&["--limit-rate", "1K"]).spawn().unwrap());
        wait_for(|| (ftp.count_of("STOR") > 0).then_some(()));
        let second: Run = put(&[]).output().unwrap().into();
        second.exits(75).says("another upload");
        assert_eq!(ftp.count_of("DELE"), 0);
        assert!(first.0.try_wait().unwrap().is_none());
        drop(first);
        Run::from(put(&[]).output().unwrap()).exits(0);
        assert!(ftp.ftp.files.get("pub/b").unwrap() == vec![7; 2_500_000]);
        assert_eq!(names(&state.path().join("proto/ftp")), [""; 0]);
    }
}

#[test]
fn a_server_that_appends_nothing_gets_all_of_it_once_more() {
    let cut = "cut=pub/* count=1 drop reply=1000000";
    let no = "appe reply=550 No";
    let never = "stor=*.part after=1 reply=553 It exists";
    for (without, rules, stored) in [
        (&["APPE"][..], &[cut][..], 2),
        (&[], &[cut, no], 2),
        // What strangers have left cannot be changed.
        (&[], &[cut, no, never, "dele reply=550 No"], 3),
    ] {
        let mut ftp = files();
        ftp.without = without.iter().map(|name| (*name).to_owned()).collect();
        ftp.rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        let ftp = Ftp::with(ftp, Options::default());
        let place = place();
        let put = ["ftp-put", "b b", &ftp.url("pub/"), "--continue"];
        proto_in(place.path(), &put).exits(75);
        proto_in(place.path(), &put).exits(0);
        assert!(ftp.ftp.files.get("pub/b b").unwrap() == vec![7; 2_500_000]);
        let said = (ftp.count_of("APPE"), ftp.count_of("STOR"));
        assert_eq!(said, (1, stored), "{rules:?}");
    }
}

#[test]
fn an_answer_that_is_lost_is_no_failure_if_the_file_has_its_name() {
    // It is renamed, and nothing tells.
    let lost = "rnto after=1 count=1 drop-after reply=250-so";
    for (rule, options) in [
        (lost, &[][..]),
        (lost, &["--force"]),
        (&lost.replace("after=1 ", ""), &["--retry", "1"]),
        // It is not renamed.
        ("rnto after=1 count=1 drop", &[]),
    ] {
        let ftp = Ftp::ruled(&[rule]);
        let place = place();
        let url = ftp.url("void/");
        let put = ["ftp-put", "a.txt", "b b", url.as_str(), "-q"];
        proto_in(place.path(), &[&put[..], options].concat()).exits(0);
        assert!(ftp.ftp.files.get("void/a.txt").is_some());
        assert!(ftp.ftp.files.get("void/b b").unwrap() == vec![7; 2_500_000]);
        assert_eq!(ftp.parts(), [""; 0]);
        assert_eq!(ftp.count_of("STOR"), 2, "{rule}");
    }
    // Another file of the same size is not taken for it.
    let ftp = Ftp::ruled(&["rnto after=1 count=1 drop"]);
    let place = place();
    ftp.ftp.files.put("void/b b", vec![8; 2_500_000]);
    let url = ftp.url("void/");
    let put = ["ftp-put", "a.txt", "b b", &url, "--force"];
    proto_in(place.path(), &put).exits(0);
    assert!(ftp.ftp.files.get("void/b b").unwrap() == vec![7; 2_500_000]);
}

#[test]
fn limits_of_time_and_size() {
    let ftp = Ftp::flawed(&[]);
    let place = place();
    let url = ftp.url("pub/");
    let slowly = ["--limit-rate", "100K", "--deadline", "2s"];
    let put = ["ftp-put", "b b", url.as_str()];
    proto_in(place.path(), &[&put[..], &slowly].concat())
        .exits(75)
        .says("--limit-rate");
    assert_eq!(ftp.count_of("RNFR"), 0);
    let limited = ["ftp-put", "b b", "a.txt", &url, "--max-size", "1M"];
    proto_in(place.path(), &limited).exits(65);
    assert!(ftp.ftp.files.get("pub/b b").is_none());
    assert!(ftp.ftp.files.get("pub/a.txt").is_some());
    // Of what has no size, only so much goes that the limit shows.
    let new = ftp.url("pub/new");
    let mut command = command(&["ftp-put", "-", &new, "--max-size", "1M"]);
    let file = fs::File::open(place.path().join("b b")).unwrap();
    Run::from(command.stdin(file).output().unwrap()).exits(65);
    assert!(ftp.ftp.files.get("pub/new").is_none());
    assert_eq!(ftp.parts().len(), 1, "that of the first: {:?}", ftp.parts());
}

#[test]
fn text_is_not_altered_and_what_cannot_be_sent_leaves_nothing() {
    let ftp = Ftp::flawed(&[]);
    let place = place();
    fs::write(place.path().join("text"), "a\nb\r\nc").unwrap();
    let text = ["ftp-put", "text", &ftp.url("pub/text;type=a")];
    proto_in(place.path(), &text).exits(0);
    // The server keeps its lines with LF alone.
    assert_eq!(ftp.ftp.files.get("pub/text").unwrap(), b"a\nb\nc");
    fs::write(place.path().join("text"), "a\rb").unwrap();
    let text = ["ftp-put", "text", &ftp.url("pub/bare;type=a")];
    proto_in(place.path(), &text).exits(64).says("CR");
    assert!(ftp.ftp.files.get("pub/bare").is_none());
    assert_eq!(ftp.parts(), [""; 0]);
}

#[test]
fn a_full_disk_and_a_server_that_lets_nothing_be_changed() {
    let mut small = files();
    small.room = Some(1_000_000);
    let small = Ftp::with(small, Options::default());
    let place = place();
    let url = small.url("pub/");
    let run = proto_in(place.path(), &["ftp-put", "b b", "a.txt", &url]);
    assert_eq!(run.code, 69, "{}", run.stderr);
    assert!(run.stderr.contains("552"), "{}", run.stderr);
    // One that fails does not stop the others, and nothing of it lies about.
    assert!(small.ftp.files.get("pub/a.txt").is_some());
    assert!(small
        .ftp
        .files
        .paths()
        .iter()
        .all(|path| !path.contains("b b")));
    let mut fixed = files();
    fixed.read_only = true;
    let fixed = Ftp::with(fixed, Options::default());
    proto_in(place.path(), &["ftp-put", "a.txt", &fixed.url("pub/")]).exits(69);
    proto_in(place.path(), &["ftp-put", "none", &fixed.url("pub/")]).exits(74);
}

#[test]
fn names_that_a_server_does_not_take_and_does_not_rename_to() {
    let picky = Ftp::ruled(&["stor=*.part reply=553 This name is not allowed"]);
    let place = place();
    let url = picky.url("pub/");
    proto_in(place.path(), &["ftp-put", "a.txt", &url]).exits(0);
    assert!(picky.ftp.files.get("pub/a.txt").is_some());
    let safe = ["ftp-put", "a.txt", &url, "--safe", "--force"];
    proto_in(place.path(), &safe).exits(69).says("553");
    // What is whole there may still get its name, by hand or in another run.
    let stiff = Ftp::ruled(&["rnto count=1 reply=550 No"]);
    let url = stiff.url("pub/");
    let run = proto_in(place.path(), &["ftp-put", "a.txt", &url]).exits(69);
    let part = stiff.parts();
    assert_eq!(part.len(), 1);
    assert!(run.stderr.contains(&part[0]), "{}", run.stderr);
    assert!(run.stderr.contains("--direct"), "{}", run.stderr);
    proto_in(place.path(), &["ftp-put", "a.txt", &url]).exits(0);
    assert_eq!(stiff.parts(), [""; 0]);
    assert_eq!(stiff.ftp.files.get("pub/a.txt").unwrap(), b"one\ntwo\n");
}

#[test]
fn what_is_replaced_is_there_until_the_new_one_is() {
    let replace = |rules: &[&str]| {
        let ftp = Ftp::ruled(rules);
        let place = place();
        let url = ftp.url("pub/hello.txt");
        let run = proto_in(place.path(), &["ftp-put", "b b", &url, "--force"]);
        let there = ftp.ftp.files.get("pub/hello.txt").unwrap_or_default();
        (run, there, ftp.parts())
    };
    let (old, new) = (b"Hello\n".to_vec(), vec![7; 2_500_000]);
    // Never, or not now: both are there, and the error says where.
    for (rule, code) in [
        ("rnto reply=553 No", 69),
        ("rnto reply=550 No", 69),
        ("rnto reply=450 Busy", 75),
        ("rnfr reply=450 Busy", 75),
    ] {
        let (run, there, parts) = replace(&[rule]);
        assert_eq!(run.code, code, "{rule}: {}", run.stderr);
        assert_eq!(there, old, "{rule}");
        assert_eq!(parts.len(), 1, "{rule}: {parts:?}");
        assert!(run.stderr.contains(&parts[0]), "{rule}: {}", run.stderr);
        assert!(run.stderr.contains("--direct"), "{rule}: {}", run.stderr);
    }
    // A name that nothing can have.
    let ftp = Ftp::ruled(&["rnto=pub/new reply=553 No such names"]);
    let (place, url) = (self::place(), ftp.url("pub/new"));
    let put = ["ftp-put", "a.txt", &url, "--force"];
    proto_in(place.path(), &put).exits(69).says("553");
    assert_eq!(ftp.parts().len(), 1);
    // A folder is not put aside.
    let ftp = Ftp::ruled(&["rnto=pub/sub reply=550 No"]);
    let (place, url) = (self::place(), ftp.url("pub/sub"));
    proto_in(place.path(), &["ftp-put", "a.txt", &url, "--force"]).exits(69);
    assert!(ftp.ftp.files.get("pub/sub/deep/x").is_some());
    assert_eq!(ftp.count_of("RNFR pub/sub"), ftp.count_of("RNFR pub/sub."));
    // Not over a file, but else.
    let (run, there, parts) = replace(&["rnto=pub/hello.txt count=1 reply=553 No"]);
    assert_eq!((run.exits(0).code, there, parts), (0, new.clone(), vec![]));
    // Aside, but the new one does not get the name.
    let (run, there, parts) = replace(&["rnto=pub/hello.txt count=2 reply=553 No"]);
    assert_eq!((run.code, there, parts.len()), (69, old, 1));
    // Nor does the old one again: it is told where that is.
    let (run, there, parts) = replace(&["rnto=pub/hello.txt count=3 reply=553 No"]);
    assert_eq!((run.code, there.len(), parts.len()), (69, 0, 2));
    for part in parts {
        assert!(run.stderr.contains(&part), "{part}: {}", run.stderr);
    }
    // The old one cannot be deleted.
    let rules = [
        "rnto=pub/hello.txt count=1 reply=553 No",
        "dele reply=550 No",
    ];
    let (run, there, parts) = replace(&rules);
    assert_eq!((run.code, there, parts.len()), (0, new, 1));
    assert!(run.stderr.contains(&parts[0]), "{}", run.stderr);
}

#[test]
fn a_server_that_renames_nothing_gets_files_under_their_names() {
    let ftp = Ftp::without(&["RNFR"]);
    let place = place();
    let url = ftp.url("pub/");
    proto_in(place.path(), &["ftp-put", "a.txt", "b b", &url]).exits(0);
    assert_eq!(ftp.ftp.files.get("pub/b b").unwrap().len(), 2_500_000);
    assert!(ftp
        .ftp
        .files
        .paths()
        .iter()
        .all(|path| !path.contains(".part")));
    // It has shown that with the first.
    assert_eq!(ftp.count_of("RNFR"), 1);
    let put = ["ftp-put", "a.txt", &url, "--safe", "--force"];
    proto_in(place.path(), &put).exits(69);
}

#[test]
fn a_folder_where_strangers_may_leave_files_gets_them_under_their_names() {
    let no = ["rnfr reply=550 Permission denied", "dele reply=550 No"];
    let ftp = Ftp::ruled(&no);
    let place = place();
    let url = ftp.url("pub/");
    let run = proto_in(place.path(), &["ftp-put", "a.txt", "b b", &url]).exits(0);
    assert_eq!(ftp.ftp.files.get("pub/b b").unwrap().len(), 2_500_000);
    assert_eq!(ftp.ftp.files.get("pub/a.txt").unwrap(), b"one\ntwo\n");
    // It has shown that with the first, of which something stays.
    let parts = ftp.parts();
    assert_eq!(parts.len(), 1);
    assert!(run.stderr.contains(&parts[0]), "{}", run.stderr);
    let rest = ["ftp-put", "a.txt", &ftp.url("void/"), "--safe"];
    proto_in(place.path(), &rest).exits(69).says("--direct");
    // Where nothing tells that the file is there, its absence may be why it is not renamed.
    let mut blind = files();
    blind.without = vec!["SIZE".to_owned()];
    blind.rules = vec![no[0].parse().unwrap()];
    let blind = Ftp::with(blind, Options::default());
    let put = ["ftp-put", "a.txt", &blind.url("pub/")];
    proto_in(place.path(), &put).exits(69).says("--direct");
    assert_eq!(blind.parts().len(), 1);
}

#[test]
fn tls_ends_uploads_properly() {
    for (options, arguments) in [(Options::default(), &["--starttls"][..]), (tls(), &[])] {
        let ftp = Ftp::with(files(), options);
        let place = place();
        let (url, ca) = (ftp.url("pub/"), authority());
        let put = [
            "ftp-put",
            "b b",
            "a.txt",
            url.as_str(),
            "--ca",
            &ca,
            "-j",
            "2",
        ];
        proto_in(place.path(), &[&put[..], arguments].concat()).exits(0);
        assert_eq!(ftp.ftp.files.get("pub/b b").unwrap(), vec![7; 2_500_000]);
        // Whoever wants no certificate is warned, or not.
        let put = ["ftp-put", "a.txt", &url, "--force", "--insecure"];
        let loud = proto_in(place.path(), &[&put[..], arguments].concat()).exits(0);
        assert!(loud.stderr.contains("impostor"), "{}", loud.stderr);
        let quiet = proto_in(place.path(), &[&put[..], arguments, &["-q"]].concat());
        assert_eq!(quiet.exits(0).stderr, "");
        ftp.is_content();
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let place = place();
    for arguments in [
        &["a.txt", "b b", "ftp://localhost:1/x"][..],
        &["a.txt", "a.txt", "ftp://localhost:1/x/"],
        &["-", "ftp://localhost:1/x/"],
        &["a.txt", "http://localhost:1/x"],
        &["a.txt"],
        &["a.txt", "ftp://localhost:1/x", "--safe", "--direct"],
        &["a.txt", "ftp://localhost:1/x", "--continue", "--direct"],
    ] {
        let run = proto_in(place.path(), &[&["ftp-put"], arguments].concat());
        assert_eq!(run.code, 64, "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn a_time_that_cannot_be_set_is_no_loss() {
    let ftp = Ftp::ruled(&["mfmt reply=550 No"]);
    let place = place();
    let arguments = ["ftp-put", "a.txt", &ftp.url("pub/"), "--report", "report"];
    proto_in(place.path(), &arguments).exits(0);
    assert!(ftp.ftp.files.get("pub/a.txt").is_some());
    let record = record(place.path());
    assert!(record["items"][0]["time"].as_str().unwrap().contains("550"));
}

/// What went is neither what the file was nor what it is.
#[test]
fn a_file_that_changes_while_it_is_sent_gets_no_name() {
    let ftp = Ftp::ruled(&[]);
    let place = folder();
    fs::write(place.path().join("f"), vec![b'a'; 600_000]).unwrap();
    let url = ftp.url("f");
    let mut command = crate::harness::command(&["ftp-put", "f", &url, "--limit-rate", "400k"]);
    let child = command.current_dir(place.path()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    fs::write(place.path().join("f"), vec![b'b'; 600_000]).unwrap();
    let run = Run::from(child.wait_with_output().unwrap());
    run.exits(75);
    assert!(ftp.ftp.files.get("f").is_none());
}

#[test]
fn a_question_that_is_not_allowed_leaves_it_open_whether_a_name_is_taken() {
    let ftp = Ftp::ruled(&["mlst reply=550 Permission denied"]);
    let place = place();
    ftp.ftp.files.put("f", "old");
    let run = proto_in(place.path(), &["ftp-put", "a.txt", &ftp.url("f")]);
    run.exits(69).says("exists");
    assert_eq!(ftp.ftp.files.get("f").unwrap(), b"old");
}
