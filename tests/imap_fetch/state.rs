//! What is remembered from run to run, and what is not lost by what goes wrong.

use super::*;
use proto_mock::mailbox::MailStore;

fn invalidate(imap: &Imap) {
    imap.account().change(|mailboxes| {
        let id = mailboxes.get("INBOX").unwrap().id();
        mailboxes.invalidate(id);
    });
}

/// A mailbox whose UIDVALIDITY is that of all others like it.
fn twin(messages: &[&[u8]], flaw: &str) -> Imap {
    let mut server = ImapServer::default();
    server.store = MailStore::default().with_uid_validity(7).into();
    let flaw = (!flaw.is_empty()).then(|| flaw.parse().unwrap());
    server.flaws.extend(flaw);
    let account = server.store.account("fred").unwrap();
    for message in messages {
        account.deliver(message).unwrap();
    }
    Imap::with(server, Options::default())
}

/// Fetches from one server what another is said to have.
fn fetch_instead(url: &str, imap: &Imap, folder: &Path, store: &str) -> Run {
    let to = format!("127.0.0.1:{}", imap.server.address().port());
    let options = ["--connect-to", &to, store, "mail"];
    let mut command = fetching(url, folder, &options);
    Run::from(command.output().unwrap()).exits(0)
}

#[test]
fn each_mailbox_has_a_state_of_its_own() {
    let imap = imap(2);
    imap.fill("Liste/Größe", &[&message(9, 9)]);
    let folder = folder();
    fetch(&imap, folder.path(), &MAILDIR).exits(0);
    let url = imap.url("Liste/Gr%C3%B6%C3%9Fe");
    let mut other = fetching(&url, folder.path(), &MAILDIR);
    let run = Run::from(other.output().unwrap()).exits(0);
    assert_eq!(uids(&run, "stored"), [1]);
    assert_eq!(stored(folder.path()).len(), 3);
    let states = names(&folder.path().join("states/proto/imap"));
    let states: Vec<_> = states
        .iter()
        .filter(|name| name.ends_with(".state"))
        .collect();
    assert_eq!(states.len(), 2, "{states:?}");
    assert!(states[0].starts_with("fred%40localhost%3A"), "{states:?}");
}

/// Who names another place, or has lost the first, may expect all of the mailbox there.
#[test]
fn a_new_place_that_gets_no_mail_is_told() {
    let imap = imap(2);
    let folder = folder();
    let run = fetch(&imap, folder.path(), &MAILDIR).exits(0);
    assert!(!run.stderr.contains(" is new"), "{run:?}");
    for place in ["--maildir", "--mbox", "--eml-dir"] {
        let run = fetch(&imap, folder.path(), &[place, "other"]).exits(0);
        assert_eq!(run.text(), "");
        run.says("other is new, and 2 messages do not come again");
        let other = folder.path().join("other");
        let _ = fs::remove_file(&other).or_else(|_| fs::remove_dir_all(&other));
    }
    let run = fetch(&imap, folder.path(), &MAILDIR).exits(0);
    assert!(!run.stderr.contains(" is new"), "{run:?}");
    fetch(&imap, folder.path(), &["--maildir", "other", "--all"]).exits(0);
    assert_eq!(maildir(&folder.path().join("other")).len(), 2);
}

#[test]
fn a_state_is_not_begun_anew_where_mail_would_come_twice() {
    let imap = imap(2);
    let folder = folder();
    fetch(&imap, folder.path(), &["--mbox", "mail"]).exits(0);
    let before = fs::read(folder.path().join("mail")).unwrap();
    for place in [["--mbox", "mail"], ["--deliver", "true"]] {
        let options = [&place[..], &["--rebuild-state"]].concat();
        let run = fetch(&imap, folder.path(), &options);
        run.exits(64).says("would be stored twice");
    }
    assert_eq!(fs::read(folder.path().join("mail")).unwrap(), before);
    let options = ["--maildir", "maildir", "--rebuild-state"];
    for count in [2, 2] {
        fetch(&imap, folder.path(), &options).exits(0);
        assert_eq!(maildir(&folder.path().join("maildir")).len(), count);
    }
}

#[test]
fn what_is_gone_is_noted() {
    let imap = imap(3);
    let folder = folder();
    let options = ["--maildir", "mail", "--state", "state"];
    fetch(&imap, folder.path(), &options).exits(0);
    imap.account().change(|mailboxes| {
        mailboxes.get_mut("INBOX").unwrap().remove(&[2]);
    });
    // Looking for some messages says nothing of the others.
    let some = [&options[..], &["3", "--new"]].concat();
    fetch(&imap, folder.path(), &some).exits(0);
    let state = || fs::read_to_string(folder.path().join("state")).unwrap();
    assert!(!state().contains("\n? "));
    fetch(&imap, folder.path(), &options).exits(0);
    assert_eq!(state().matches("\n? ").count(), 1, "{}", state());
}

#[test]
fn a_listing_that_is_empty_once_brings_no_mail_again() {
    let all = [1, 2, 3].map(|number| message(number, number));
    let all: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
    let (imap, empty) = (twin(&all, ""), twin(&[], ""));
    let folder = folder();
    let url = imap.url("INBOX");
    let counts = [(&imap, 3), (&empty, 0), (&imap, 0)].map(|(imap, count)| {
        let run = fetch_instead(&url, imap, folder.path(), "--mbox");
        (run.text().lines().count(), count)
    });
    assert!(counts.iter().all(|(is, wanted)| is == wanted), "{counts:?}");
}

#[test]
fn another_uidvalidity_is_told_and_nothing_is_stored_twice() {
    for store in ["--maildir", "--eml-dir", "--mbox"] {
        let twins: [&[u8]; 3] = [b"A: 1\n\nx\n", b"A: 1\n\nx\n", b"A: 2\n\ny"];
        let imap = Imap::of(&twins);
        let folder = folder();
        let options = [store, "mail", "--state", "state"];
        fetch(&imap, folder.path(), &options).exits(0);
        invalidate(&imap);
        imap.fill("INBOX", &[b"A: 1\n\nx\n", b"A: 3\n"]);
        let run = fetch(&imap, folder.path(), &options).exits(0);
        let run = run.says("another UIDVALIDITY");
        // Of three that are equal, two were stored before.
        assert_eq!(uids(&run, "stored"), [4, 5], "{store}");
        let run = fetch(&imap, folder.path(), &options).exits(0);
        assert_eq!(run.text(), "", "{store}");
        assert!(!run.stderr.contains("UIDVALIDITY"), "{}", run.stderr);
        if store == "--maildir" {
            assert_eq!(stored(folder.path()).len(), 5);
        }
        // What was known of the old UIDs is forgotten.
        let state = fs::read_to_string(folder.path().join("state")).unwrap();
        let (stored, forgotten) = (state.matches("\n+ "), state.matches("\n- "));
        assert_eq!((stored.count(), forgotten.count()), (8, 3), "{store}");
    }
}

/// A mailbox that was restored from a backup, and has given UIDs anew since; or whose UIDs do not
/// last from the start.
#[test]
fn uids_that_mean_other_messages_now_cost_no_mail() {
    for (flaw, told) in [
        ("", "its UIDNEXT went back"),
        ("no-uidvalidity", "has no UIDVALIDITY"),
        ("uid-not-sticky", "UIDNOTSTICKY"),
    ] {
        for store in ["--maildir", "--mbox"] {
            let all = [1, 2, 3, 4, 9].map(|number| message(number, number));
            let all: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
            let before = twin(&all[..4], flaw);
            let after = twin(&[all[0], all[1], all[4]], flaw);
            let folder = folder();
            let url = before.url("INBOX");
            let fetch = |imap: &Imap| fetch_instead(&url, imap, folder.path(), store);
            assert_eq!(uids(&fetch(&before), "stored"), [1, 2, 3, 4]);
            let run = fetch(&after).says(told);
            assert_eq!(uids(&run, "stored"), [3], "{flaw}: {run:?}");
            assert_eq!(fetch(&after).text(), "", "{flaw}");
            if store == "--maildir" {
                let stored = stored(folder.path());
                assert!(stored.contains(&message(9, 9)) && stored.len() == 5);
            }
        }
    }
}

#[test]
fn a_limit_counts_what_is_new_alone() {
    let imap = imap(3);
    let folder = folder();
    fetch(&imap, folder.path(), &MAILDIR).exits(0);
    invalidate(&imap);
    imap.fill("INBOX", &[b"A: 4\n", b"A: 5\n"]);
    let options = ["--maildir", "mail", "--limit", "1"];
    for uid in [4, 5] {
        let run = fetch(&imap, folder.path(), &options).exits(0);
        assert_eq!(uids(&run, "stored"), [uid]);
    }
    assert_eq!(stored(folder.path()).len(), 5);
}

#[test]
fn a_url_may_say_which_uids_it_means() {
    let imap = imap(1);
    let validity = imap
        .account()
        .read(|mailboxes| mailboxes.get("INBOX").unwrap().uid_validity());
    let folder = folder();
    for (number, code) in [(validity, 0), (validity + 1, 69)] {
        let url = imap.url(&format!("INBOX;UIDVALIDITY={number}/;UID=1"));
        let mut command = fetching(&url, folder.path(), &[]);
        Run::from(command.output().unwrap()).exits(code);
    }
}

#[test]
fn after_a_lost_connection_it_goes_on_without_storing_twice() {
    for (what, rule) in [
        ("--maildir", "message=3 count=1 drop"),
        ("--mbox", "message=3 count=1 drop"),
        ("--eml-dir", "message=3 count=1 reset"),
        ("--mbox", "search count=1 drop"),
        ("--mbox", "fetch count=1 reply=BYE [UNAVAILABLE] later"),
        ("--mbox", "login count=1 reply=NO [INUSE] later"),
        ("--mbox", "connect count=1 reply=BYE busy"),
    ] {
        let imap = with(5, "", &[rule], &[]);
        let folder = folder();
        let options = [what, "mail", "--retry", "1"];
        let run = fetch(&imap, folder.path(), &options);
        let run = run.exits(0).says("trying again");
        assert_eq!(uids(&run, "stored"), [1, 2, 3, 4, 5], "{rule}");
    }
}

#[test]
fn stdout_gets_no_message_twice() {
    let imap = with(3, "", &["message=3 count=1 drop"], &[]);
    let folder = folder();
    let run = fetch(&imap, folder.path(), &["--retry", "1"]).exits(0);
    for number in 1..=3 {
        let subject = format!("\nSubject: Message {number}\n");
        assert_eq!(run.text().matches(&subject).count(), 1, "{number}");
    }
    // Other UIDs mean other messages.
    let mut server = server(3);
    server.rules.push("message=3 count=1 drop".parse().unwrap());
    server.flaws.push("new-uidvalidity".parse().unwrap());
    let imap = Imap::with(server, Options::default());
    let run = fetch(&imap, folder.path(), &["--retry", "1"]);
    run.exits(69).says("UIDVALIDITY");
}

/// A small file system, if we may have one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> Option<SmallDisk> {
        let folder = folder();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k", "none"]);
        let mounted = mount.arg(folder.path()).output();
        let is_mounted = mounted.is_ok_and(|output| output.status.success());
        is_mounted.then(|| SmallDisk(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_loses_nothing() {
    let Some(disk) = SmallDisk::new() else {
        return;
    };
    let messages: Vec<Vec<u8>> = (1..=8).map(|number| message(number, 2_000)).collect();
    let pieces: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let imap = Imap::of(&pieces);
    let folder = folder();
    let mail = disk.0.path().join("mail");
    let options = ["--maildir", mail.to_str().unwrap(), "--mark-seen"];
    let run = fetch(&imap, folder.path(), &options).exits(74);
    let run = run.says("No space left");
    let whole = maildir(&mail);
    assert!(whole.iter().all(|text| messages.contains(text)), "{run:?}");
    assert_eq!(imap.heard_of("UID STORE"), [""; 0]);
    let mut remount = Command::new("mount");
    remount.args(["-o", "remount,size=8m"]).arg(disk.0.path());
    assert!(remount.status().unwrap().success());
    fetch(&imap, folder.path(), &options).exits(0);
    let mut all = maildir(&mail);
    all.sort();
    assert!(all == messages);
}
