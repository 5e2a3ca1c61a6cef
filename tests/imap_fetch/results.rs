//! What is told, and what becomes of flags and dates.

use std::time::{Duration, SystemTime};

use super::*;
use proto_mock::mailbox::{Date, Draft};

/// A server with one message of these flags.
fn flagged(flags: &[&str]) -> Imap {
    let imap = Imap::of(&[]);
    let mut draft = Draft::new(&message(1, 1));
    draft.date = Date::of((2020, 2, 1), (12, 30, 0), 0).unwrap();
    for flag in flags {
        draft.flags.insert(flag);
    }
    imap.account()
        .change(|mailboxes| mailboxes.append("INBOX", draft).unwrap());
    imap
}

#[test]
fn a_maildir_keeps_flags_and_dates() {
    for (flags, ending) in [
        (&[][..], None),
        (&["$Other"], None),
        (&["\\Seen"], Some(":2,S")),
        (
            &["\\Flagged", "\\Answered", "\\Draft", "\\Deleted", "\\Seen"],
            Some(":2,DFRST"),
        ),
    ] {
        let imap = flagged(flags);
        let folder = folder();
        fetch(&imap, folder.path(), &MAILDIR).exits(0);
        let place = match ending {
            None => "mail/new",
            Some(_) => "mail/cur",
        };
        let place = folder.path().join(place);
        let [name] = &names(&place)[..] else {
            panic!("{flags:?}");
        };
        assert_eq!(name.find(":2,").map(|at| &name[at..]), ending, "{flags:?}");
        let time = fs::metadata(place.join(name)).unwrap().modified().unwrap();
        let wanted = SystemTime::UNIX_EPOCH + Duration::from_secs(1_580_560_200);
        assert_eq!(time, wanted);
    }
}

#[test]
fn rows_for_programs() {
    let imap = flagged(&["\\Seen"]);
    let folder = folder();
    let options = ["--maildir", "mail", "--json", "--report", "report"];
    let run = fetch(&imap, folder.path(), &options).exits(0);
    let row: Value = serde_json::from_str(run.text().trim_end()).unwrap();
    let place = folder
        .path()
        .join("mail")
        .join(row["place"].as_str().unwrap());
    assert_eq!(fs::read(place).unwrap(), message(1, 1));
    for (key, value) in [
        ("result", Value::from("stored")),
        ("uid", 1.into()),
        ("size", row["bytes"].clone()),
        ("internal_date", "2020-02-01T12:30:00Z".into()),
        ("subject", "Message 1".into()),
    ] {
        assert_eq!(row[key], value, "{row}");
    }
    assert_eq!(row["flags"][0], "\\Seen");
    assert!(row["uid_validity"].as_u64().unwrap() > 0);
    let report = fs::read_to_string(folder.path().join("report")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["items"][0], row);
    assert_eq!(report["ok"], true);
    assert!(!report.to_string().contains("pencil"));
}

#[test]
fn every_place_takes_mail() {
    let imap = imap(3);
    for (store, options) in [
        ("mail", &["--maildir", "mail"][..]),
        ("box", &["--mbox", "box"]),
        ("folder", &["--eml-dir", "folder"]),
        ("", &["--deliver", "sh -c 'cat >> delivered'"]),
    ] {
        let folder = folder();
        let run = fetch(&imap, folder.path(), options).exits(0);
        assert_eq!(uids(&run, "stored"), [1, 2, 3], "{store}");
        assert_eq!(fetch(&imap, folder.path(), options).exits(0).text(), "");
        match store {
            "mail" => assert_eq!(stored(folder.path()), expected(3)),
            "folder" => {
                let names = names(&folder.path().join("folder"));
                assert_eq!(names.len(), 3);
                assert!(names[0].starts_with("INBOX.") && names[0].ends_with(".1.eml"));
            }
            _ => {}
        }
    }
    let folder = folder();
    let run = fetch(&imap, folder.path(), &[]).exits(0);
    assert_eq!(run.text().matches("\nSubject: Message ").count(), 3);
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn a_command_may_refuse_a_message() {
    for (status, code) in [(75, 75), (1, 75), (65, 69)] {
        let imap = imap(3);
        let folder = folder();
        let command = format!("sh -c 'if grep -q \"message 2\"; then exit {status}; fi'");
        let run = fetch(&imap, folder.path(), &["--deliver", &command]).exits(code);
        let mut told = rows(&run);
        told.sort();
        assert_eq!(told[0], ("not-stored".to_owned(), 2));
        let run = fetch(&imap, folder.path(), &["--deliver", "true"]).exits(0);
        assert_eq!(uids(&run, "stored"), [2]);
    }
}

#[test]
fn the_deadline_holds_for_a_command_too() {
    let imap = imap(1);
    let folder = folder();
    let options = ["--deliver", "sleep 60", "--deadline", "1s"];
    let run = fetch(&imap, folder.path(), &options).exits(75);
    run.says("it was not done after");
}

#[test]
fn a_password_is_shown_to_nobody() {
    const CANARY: &str = "canary-7Q";
    for mechanism in ["login", "plain", "cram-md5", "scram-sha-256"] {
        let mut server = server(1);
        server.users.push(("fred".to_owned(), CANARY.to_owned()));
        let imap = Imap::with(server, Options::default());
        let folder = folder();
        let url = format!("imap://fred@localhost:{}/INBOX", imap.server.port());
        let mut command = fetching(&url, folder.path(), &["--auth", mechanism, "--trace"]);
        command.args([
            "--maildir",
            "mail",
            "--report",
            "report",
            "--transcript",
            "record",
        ]);
        command.env("PROTO_PASSWORD", CANARY);
        let run = Run::from(command.output().unwrap()).exits(0);
        let mut seen = run.text() + &run.stderr;
        for name in ["report", "record"] {
            seen += &fs::read_to_string(folder.path().join(name)).unwrap();
        }
        assert!(!seen.contains(CANARY), "{mechanism}: {seen}");
        assert_eq!(imap.imap.violations(), [""; 0], "{mechanism}");
    }
}

#[test]
fn the_help_says_what_files_are_called_and_how_commands_run() {
    let help = crate::harness::proto(&["imap-fetch", "--help"]).exits(0).text();
    let help: Vec<&str> = help.split_whitespace().collect();
    let help = help.join(" ");
    assert!(
        help.contains("UID.eml, by IMAP MAILBOX.UIDVALIDITY.UID.eml"),
        "{help}"
    );
    let (_, deliver) = help.split_once("--deliver <").unwrap();
    let deliver = deliver.split(" --").next().unwrap();
    assert!(deliver.contains("no shell runs it"), "{deliver}");
    let help = crate::harness::proto(&["imap-search", "--help"]).exits(0).text();
    assert!(
        !help.contains("'TERM or TERM'") && help.contains("seen or draft"),
        "{help}"
    );
}
