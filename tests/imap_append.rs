//! `proto imap-append`: messages from files into a mailbox.

use std::fs::{self, File, FileTimes};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use crate::harness::{command, folder, imap_of, proto, proto_in, sample, Imap, Run, MOST_MEMORY};
use proto_mock::Options;

fn append(imap: &Imap, folder: &Path, options: &[&str]) -> Run {
    proto_in(
        folder,
        &[&["imap-append", &*imap.url("INBOX")], options].concat(),
    )
}

fn write(folder: &Path, name: &str, text: &[u8], seconds: u64) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    let file = File::options().append(true).open(path).unwrap();
    let time = UNIX_EPOCH + Duration::from_secs(seconds);
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
}

#[test]
fn files_arrive_with_their_time_and_crlf() {
    for without in [
        &[][..],
        &["LITERAL+"],
        &["LITERAL+", "LITERAL-", "IMAP4rev2", "UIDPLUS"],
    ] {
        let mut server = imap_of(&[]);
        server.without = without.iter().map(|name| (*name).to_owned()).collect();
        let imap = Imap::with(server, Options::default());
        let folder = folder();
        write(
            folder.path(),
            "one.eml",
            b"A: 1\nBcc: x@y\n\na\r\n.\nb",
            1_000_000_000,
        );
        write(folder.path(), "empty.eml", b"", 0);
        let large = b"0123456789abcde\n".repeat(100_000);
        write(
            folder.path(),
            "large.eml",
            &[b"A: 2\n\n", &*large].concat(),
            86_400,
        );
        let run = append(&imap, folder.path(), &["one.eml", "empty.eml", "large.eml"]).exits(0);
        let uid = |uid: &'static str| {
            if without.contains(&"UIDPLUS") {
                "-"
            } else {
                uid
            }
        };
        let row = |number, name| format!("appended      {:>7}  {name}\n", uid(number));
        let rows = row("1", "one.eml") + &row("2", "empty.eml") + &row("3", "large.eml");
        assert_eq!(run.text(), rows, "{without:?}");
        let messages = imap.messages("INBOX");
        assert_eq!(
            &*messages[0].content(),
            b"A: 1\r\nBcc: x@y\r\n\r\na\r\n.\r\nb"
        );
        assert_eq!(messages[0].date.seconds, 1_000_000_000);
        assert_eq!(&*messages[1].content(), b"");
        assert_eq!(messages[2].size(), 17 * 100_000 + 8);
        assert_eq!(imap.imap.violations(), [""; 0], "{without:?}");
    }
}

#[test]
fn flags_and_dates_are_as_asked() {
    let imap = Imap::of(&[]);
    let folder = folder();
    let text = b"Date: Sun, 9 Sep 2001 01:46:41 +0000\n\nx\n";
    write(folder.path(), "one.eml", text, 5);
    let at = "2001-09-09T03:46:42+02:00";
    for (date, seconds) in [("file", 5), ("header", 1_000_000_001), (at, 1_000_000_002)] {
        append(&imap, folder.path(), &["one.eml", "--date", date]).exits(0);
        let messages = imap.messages("INBOX");
        assert_eq!(messages.last().unwrap().date.seconds, seconds, "{date}");
    }
    let options = [
        "--seen",
        "--flag",
        "\\flagged",
        "--flag",
        "$Junk",
        "--date",
        "now",
    ];
    append(&imap, folder.path(), &[&options[..], &["one.eml"]].concat()).exits(0);
    assert!(imap.messages("INBOX")[3].date.seconds > 1_700_000_000);
    let flags = imap.flags("INBOX", 4).to_lowercase();
    let mut flags: Vec<&str> = flags.split_whitespace().collect();
    flags.sort_unstable();
    assert_eq!(flags, ["$junk", "\\flagged", "\\seen"]);
    for wrong in [
        ["--flag", "a b"],
        ["--flag", "\\Seen) {3}"],
        ["--flag", "x\r\ny"],
        ["--date", "yesterday"],
    ] {
        assert_eq!(
            append(&imap, folder.path(), &[&wrong[..], &["one.eml"]].concat()).code,
            64
        );
    }
    assert_eq!(imap.messages("INBOX").len(), 4);
}

#[test]
fn a_maildir_keeps_its_flags_and_an_mbox_its_times() {
    let imap = Imap::of(&[]);
    let folder = folder();
    fs::create_dir(folder.path().join("new")).unwrap();
    for (name, text, time) in [
        ("cur/1.a:2,FRS", "A: 1\n", 11),
        ("cur/2.a:2,", "A: 2\n", 12),
        ("new/3.a", "A: 3\n", 13),
        ("cur/4.a:2,DPTx", "A: 4\n", 14),
    ] {
        write(folder.path(), name, text.as_bytes(), time);
    }
    append(&imap, folder.path(), &["."]).exits(0);
    let found: Vec<(String, i64)> = imap
        .messages("INBOX")
        .iter()
        .map(|message| (imap.flags("INBOX", message.uid), message.date.seconds))
        .collect();
    let wanted = [
        ("\\Answered \\Flagged \\Seen ", 11),
        ("", 12),
        ("", 13),
        ("$Forwarded \\Deleted \\Draft ", 14),
    ];
    assert_eq!(found, wanted.map(|(flags, time)| (flags.to_owned(), time)));

    let imap = Imap::of(&[]);
    let mbox = b"From a@b Sun Sep  9 01:46:40 2001\nA: 1\n\n>From x\n\nFrom a\nA: 2\n\n";
    write(folder.path(), "mbox", mbox, 7);
    append(&imap, folder.path(), &["mbox"]).exits(0);
    let messages = imap.messages("INBOX");
    assert_eq!(messages[0].date.seconds, 1_000_000_000);
    assert_eq!(&*messages[0].content(), b"A: 1\r\n\r\nFrom x\r\n");
    assert!(messages[1].date.seconds > 1_700_000_000);
    let run = proto(&["imap-append", &imap.url("INBOX"), &sample("three.mbox")]);
    assert_eq!(run.exits(0).text().lines().count(), 3);
    assert_eq!(imap.imap.violations(), [""; 0]);
}

#[test]
fn stdin_is_a_message() {
    let imap = Imap::of(&[]);
    let mut command = command(&["imap-append", &imap.url("INBOX"), "-"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"A: b\n\nc\n")
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(&*imap.messages("INBOX")[0].content(), b"A: b\r\n\r\nc\r\n");
}

#[test]
fn what_is_refused_does_not_stop_the_others() {
    for without in ["SORT", "LITERAL+"] {
        let mut server = imap_of(&[]);
        server.without.push(without.to_owned());
        let rule = "append after=1 count=1 reply=NO [OVERQUOTA] full";
        server.rules.push(rule.parse().unwrap());
        let imap = Imap::with(server, Options::default());
        let folder = folder();
        for name in ["1", "2", "3"] {
            write(folder.path(), name, format!("A: {name}\n").as_bytes(), 1);
        }
        write(folder.path(), "nul", b"A: \0\n", 1);
        let run = append(&imap, folder.path(), &["1", "nul", "2", "3", "--json"]);
        let text = run.text();
        let rows: Vec<Value> = text
            .lines()
            .map(|row| serde_json::from_str(row).unwrap())
            .collect();
        let results: Vec<_> = rows
            .iter()
            .map(|row| row["result"].as_str().unwrap())
            .collect();
        let wanted = ["appended", "not-appended", "not-appended", "appended"];
        assert_eq!(results, wanted);
        assert!(rows[1]["error"].as_str().unwrap().contains("NUL"));
        assert!(rows[2]["error"].as_str().unwrap().contains("full"));
        assert_eq!(run.code, 64, "{run:?}");
        let keys: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
        let wanted = [
            "date",
            "error",
            "flags",
            "message",
            "result",
            "size",
            "uid",
            "uid_validity",
        ];
        assert_eq!(keys, wanted);
        assert_eq!(imap.messages("INBOX").len(), 2);
        assert_eq!(imap.imap.violations(), [""; 0]);
    }
}

#[test]
fn a_missing_mailbox_is_made_when_asked() {
    for without in ["SORT", "LITERAL+"] {
        let mut server = imap_of(&[]);
        server.without.push(without.to_owned());
        let imap = Imap::with(server, Options::default());
        let folder = folder();
        write(folder.path(), "1", b"A: b\n", 1);
        let url = imap.url("New%20%22%C3%BC%22/below");
        let options = ["imap-append", &url, "1", "1"];
        let run = proto_in(folder.path(), &options).exits(69);
        assert!(run.text().contains("--create"), "{run:?}");
        assert_eq!(imap.heard_of("CREATE"), [""; 0]);
        proto_in(folder.path(), &[&options[..], &["--create"]].concat()).exits(0);
        assert_eq!(imap.uids("New \"ü\"/below"), [1, 2]);
        assert_eq!(imap.heard_of("CREATE").len(), 1);
        assert_eq!(imap.imap.violations(), [""; 0]);
    }
}

/// Who tries a message again of which nobody knows whether it is there may have it twice.
#[test]
fn an_answer_that_is_late_leaves_it_open_what_became_of_the_message() {
    let mut server = imap_of(&[]);
    server.rules.push("append delay=9s".parse().unwrap());
    let imap = Imap::with(server, Options::default());
    let folder = folder();
    write(folder.path(), "one", b"A: 1\n", 1);
    let run = append(&imap, folder.path(), &["one", "--timeout", "300ms"]).exits(79);
    assert!(run.text().starts_with("unknown "), "{run:?}");
}

#[test]
fn a_file_that_cannot_be_read_does_not_stop_the_others() {
    let imap = Imap::of(&[]);
    let folder = folder();
    write(folder.path(), "one", b"A: 1\n", 1);
    let run = append(&imap, folder.path(), &["missing", "one", "."]).exits(74);
    let text = run.text();
    let results = text.lines().map(|row| row.split(' ').next().unwrap());
    let results: Vec<&str> = results.collect();
    assert_eq!(results, ["not-appended", "appended", "not-appended"]);
    assert!(text.contains("No such file") && text.contains("no Maildir"));
    assert_eq!(imap.messages("INBOX").len(), 1);
}

#[test]
fn mistakes_are_told_before_anybody_is_called() {
    let imap = Imap::of(&[]);
    let folder = folder();
    append(&imap, folder.path(), &["missing"]).exits(74);
    append(&imap, folder.path(), &["."]).exits(74);
    append(&imap, folder.path(), &[]).exits(64);
    for url in [imap.url(""), imap.url("INBOX;UID=1"), imap.url("INBOX?ALL")] {
        proto(&["imap-append", &url, &sample("three.mbox")]).exits(64);
    }
    assert_eq!(imap.heard(), [""; 0]);
}

/// Five hundred messages with flags and times of their own, which are there exactly then.
#[test]
fn five_hundred_are_as_they_were() {
    let imap = Imap::of(&[]);
    let folder = folder();
    fs::create_dir(folder.path().join("new")).unwrap();
    let flags = |number: u64| if number.is_multiple_of(3) { "S" } else { "FR" };
    for number in 0..500 {
        let name = format!("cur/{number:04}:2,{}", flags(number));
        let text = format!("Subject: {number}\n\n{}\n", "x".repeat(number as usize * 7));
        write(
            folder.path(),
            &name,
            text.as_bytes(),
            1_000_000_000 + number,
        );
    }
    append(&imap, folder.path(), &["."]).exits(0);
    let messages = imap.messages("INBOX");
    assert_eq!(messages.len(), 500);
    for (number, message) in (0_u64..).zip(&messages) {
        let text = format!(
            "Subject: {number}\r\n\r\n{}\r\n",
            "x".repeat(number as usize * 7)
        );
        assert!(*message.content() == *text.as_bytes(), "{number}");
        assert_eq!(message.date.seconds, 1_000_000_000 + number as i64);
        assert_eq!(message.flags.contains("\\Seen"), number.is_multiple_of(3));
        assert_eq!(
            message.flags.contains("\\Answered"),
            !number.is_multiple_of(3)
        );
    }
}

/// Whatever becomes of some of a thousand that are under way together, each row tells of its own.
#[test]
fn of_a_thousand_each_is_named() {
    for without in ["SORT", "LITERAL+"] {
        let mut server = imap_of(&[]);
        server.without.push(without.to_owned());
        let rule = "append after=499 count=2 reply=NO [OVERQUOTA] full";
        server.rules.push(rule.parse().unwrap());
        let imap = Imap::with(server, Options::default());
        let folder = folder();
        let names: Vec<String> = (0..1_000).map(|number| format!("{number:04}")).collect();
        for name in &names {
            write(folder.path(), name, format!("A: {name}\n").as_bytes(), 1);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let run = append(&imap, folder.path(), &names).exits(69);
        let text = run.text();
        let rows: Vec<Vec<&str>> = text
            .lines()
            .map(|row| row.split_whitespace().take(3).collect())
            .collect();
        for (row, name) in rows.iter().zip(&names) {
            let is_refused = ["0499", "0500"].contains(name);
            let result = if is_refused {
                "not-appended"
            } else {
                "appended"
            };
            assert_eq!((row[0], row[2]), (result, *name));
        }
        let messages = imap.messages("INBOX");
        assert_eq!((rows.len(), messages.len()), (1_000, 998), "{without}");
        let there = rows.iter().filter(|row| row[0] == "appended");
        for (row, message) in there.zip(&messages) {
            assert_eq!(row[1], message.uid.to_string());
            assert_eq!(*message.content(), *format!("A: {}\r\n", row[2]).as_bytes());
        }
        assert_eq!(imap.imap.violations(), [""; 0]);
    }
}

/// Nobody knows what became of those that were under way; the others are there, or are not.
#[test]
fn a_connection_that_ends_leaves_no_row_that_is_wrong() {
    for (rule, code) in [
        ("append after=100 count=1 drop", 79),
        ("append after=100 count=1 reset", 79),
        ("append after=100 count=1 reply=BYE [UNAVAILABLE] later", 79),
        ("append count=1 reply=BYE later", 79),
    ] {
        let mut server = imap_of(&[]);
        server.rules.push(rule.parse().unwrap());
        let imap = Imap::with(server, Options::default());
        let folder = folder();
        let names: Vec<String> = (0..200).map(|number| format!("{number:04}")).collect();
        for name in &names {
            write(folder.path(), name, format!("A: {name}\n").as_bytes(), 1);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let run = append(&imap, folder.path(), &names).exits(code);
        let text = run.text();
        let count = |word| text.lines().filter(|row| row.starts_with(word)).count();
        let (appended, unknown) = (count("appended "), count("unknown "));
        let there = imap.messages("INBOX").len();
        assert!(
            appended <= there && there <= appended + unknown,
            "{rule}: {run:?}"
        );
        assert!((1..=101).contains(&unknown), "{rule}: {run:?}");
        assert_eq!(appended + unknown + count("not-appended "), 200, "{rule}");
        assert_eq!(count(""), 200, "each message has a row");
        assert_eq!(imap.imap.violations(), [""; 0]);
    }
}

#[test]
fn utf8_in_a_header_is_told() {
    let text = "Subject: Gr\u{fc}\u{df}e\n\nx\n";
    for without in ["SORT", "UTF8=ACCEPT", "ENABLE"] {
        let mut server = imap_of(&[]);
        server.without.push(without.to_owned());
        // Then it makes no difference between both kinds.
        server
            .without
            .extend((without != "SORT").then(|| "IMAP4rev2".to_owned()));
        let imap = Imap::with(server, Options::default());
        let folder = folder();
        write(folder.path(), "utf8", text.as_bytes(), 1);
        write(folder.path(), "latin1", b"Subject: \xfc\n\nx\n", 1);
        write(folder.path(), "ascii", b"Subject: u\n\n\xc3\xbc\n", 1);
        append(&imap, folder.path(), &["utf8", "utf8", "latin1", "ascii"]).exits(0);
        let told = imap
            .heard_of("APPEND")
            .into_iter()
            .filter(|line| line.contains("UTF8 (~"));
        assert_eq!(
            told.count(),
            if without == "SORT" { 2 } else { 0 },
            "{without}"
        );
        let crlf = text.replace('\n', "\r\n");
        assert_eq!(*imap.messages("INBOX")[0].content(), *crlf.as_bytes());
        assert_eq!(imap.imap.violations(), [""; 0], "{without}");
    }
}

#[test]
fn a_large_message_streams() {
    let imap = Imap::of(&[]);
    let folder = folder();
    let path = folder.path().join("large.eml");
    let mut file = File::create(&path).unwrap();
    file.write_all(b"Subject: large\r\n\r\n").unwrap();
    let block = [b'x'; 1022];
    let block = [&block[..], b"\r\n"].concat().repeat(1024);
    for _ in 0..200 {
        file.write_all(&block).unwrap();
    }
    let mut run = Command::new("sh");
    let status = folder.path().join("status");
    // The process tells its own peak when it is over.
    run.arg("-c").arg("\"$@\" & pid=$!; while kill -0 $pid 2>/dev/null; do cat /proc/$pid/status >status.new 2>/dev/null && grep -q VmHWM status.new && mv status.new status; sleep 0.05; done; wait $pid");
    run.arg("sh").arg(env!("CARGO_BIN_EXE_proto"));
    run.args(["imap-append", &imap.url("INBOX")]).arg(&path);
    let run = Run::from(run.current_dir(folder.path()).output().unwrap()).exits(0);
    assert!(run.text().starts_with("appended"));
    assert_eq!(imap.messages("INBOX")[0].size(), 200 * 1024 * 1024 + 18);
    let status = fs::read_to_string(status).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: u64 = peak
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    assert!(peak < MOST_MEMORY, "{peak} KiB");
}

/// The way there is tried again; what may be there is not added again.
#[test]
fn only_the_login_is_tried_again() {
    let folder = folder();
    write(folder.path(), "one.eml", b"A: 1\n", 0);
    for (rule, code, times) in [
        ("connect count=1 reply=BYE busy", 0, 1),
        ("append count=1 drop", 79, 1),
    ] {
        let mut server = imap_of(&[]);
        server.rules.push(rule.parse().unwrap());
        let imap = Imap::with(server, Options::default());
        let run = append(&imap, folder.path(), &["one.eml", "--retry", "1"]).exits(code);
        assert_eq!(run.stderr.contains("trying again"), code == 0, "{rule}");
        assert_eq!(imap.heard_of("APPEND").len(), times, "{rule}");
    }
}
