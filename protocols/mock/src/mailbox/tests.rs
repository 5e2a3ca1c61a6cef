//! The store as services use it.

use super::*;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

fn store() -> MailStore {
    MailStore::default().with_uid_validity(7)
}

fn uids(account: &Account, name: &str) -> Vec<u32> {
    account.read(|mailboxes| {
        let messages = mailboxes.get(name).unwrap().messages().iter();
        messages.map(|message| message.uid).collect()
    })
}

#[test]
fn messages_come_move_and_go() {
    let account = store().account("a").unwrap();
    for text in ["one", "two\nlines\r\n", "three"] {
        account.deliver(text.as_bytes()).unwrap();
    }
    let inbox = account.read(|mailboxes| mailboxes.get("inBOX").unwrap().id());
    let moved = account.change(|mailboxes| {
        mailboxes.create("Lists/rust").unwrap();
        assert_eq!(mailboxes.create("Lists"), Err(Refusal::Exists));
        mailboxes.copy(inbox, &[1, 2], "Lists").unwrap();
        mailboxes.move_to(inbox, &[2, 3], "Lists/rust").unwrap()
    });
    assert_eq!(moved.uids, [(2, 1), (3, 2)]);
    assert_eq!(moved.uid_validity, 9);
    assert_eq!(uids(&account, "INBOX"), [1]);
    assert_eq!(uids(&account, "Lists"), [1, 2]);
    account.change(|mailboxes| {
        mailboxes.rename("Lists", "Old/Lists").unwrap();
        mailboxes.rename("inbox", "Kept").unwrap();
        assert_eq!(mailboxes.delete("INBOX"), Err(Refusal::BadName));
        let names: Vec<&str> = mailboxes.names().collect();
        assert_eq!(
            names,
            ["INBOX", "Kept", "Old", "Old/Lists", "Old/Lists/rust"]
        );
        let message = mailboxes.get("Old/Lists").unwrap().message(2).unwrap();
        assert_eq!(&*message.content(), b"two\r\nlines\r\n");
    });
    assert_eq!(uids(&account, "INBOX"), [0; 0]);
    assert_eq!(account.deliver(b"next"), Ok(4), "a UID is never used again");
}

#[test]
fn changes_have_a_sequence() {
    let account = store().account("a").unwrap();
    account.deliver(b"x").unwrap();
    account.deliver(b"y").unwrap();
    account.change(|mailboxes| {
        let inbox = mailboxes.get_mut(INBOX).unwrap();
        assert_eq!((inbox.highest_modseq(), inbox.flags_changed()), (3, 0));
        let seen: Flags = ["\\seen"].into_iter().collect();
        assert_eq!(seen.to_string(), "\\Seen");
        assert_eq!(inbox.set_flags(1, seen.clone()).unwrap().modseq, 4);
        assert_eq!(inbox.set_flags(1, seen).unwrap().modseq, 4, "no change");
        assert!(inbox.set_flags(9, Flags::default()).is_none());
        assert_eq!(inbox.remove(&[1]).len(), 1);
        assert_eq!((inbox.highest_modseq(), inbox.last_removal()), (5, 5));
    });
}

#[test]
fn limits_and_users_hold() {
    let limits = Limits {
        messages: 1,
        size: 3,
        mailboxes: 2,
        users: 1,
    };
    let store = MailStore::for_users(limits, ["a"]);
    assert!(store.account("b").is_none());
    let account = store.account("a").unwrap();
    assert_eq!(account.deliver(b"four"), Err(Refusal::TooLarge));
    assert_eq!(account.deliver(b"x"), Ok(1));
    assert_eq!(account.deliver(b"x"), Err(Refusal::Full));
    let made = account.change(|mailboxes| (mailboxes.create("b"), mailboxes.create("c")));
    assert_eq!(made, (Ok(()), Err(Refusal::Full)));
    for bad in ["", "a//b", "/a", "a\n"] {
        assert_eq!(
            account.change(|mailboxes| mailboxes.create(bad)),
            Err(Refusal::BadName),
            "{bad:?}"
        );
    }
}

#[test]
fn whoever_waits_is_woken() {
    let account = store().account("a").unwrap();
    let seen = account.generation();
    let waiter = {
        let account = Arc::clone(&account);
        thread::spawn(move || account.wait(seen, Duration::from_secs(60)))
    };
    account.deliver(b"x").unwrap();
    assert_ne!(waiter.join().unwrap(), seen);
    let now = account.generation();
    assert_eq!(account.wait(now, Duration::from_millis(5)), now);
}

#[test]
fn deliveries_are_fast_enough() {
    let store = Arc::new(store());
    let started = Instant::now();
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let store = Arc::clone(&store);
            thread::spawn(move || {
                let message = vec![b'x'; 1000];
                for _ in 0..5000 {
                    store.account("a").unwrap().deliver(&message).unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(uids(&store.account("a").unwrap(), INBOX).len(), 10_000);
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn sources_are_loaded_with_their_flags() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("new/1.a", "A: 1\n"), ("cur/2.b:2,FS", "B: 2\n")] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let account = store().account("a").unwrap();
    let maildir = Source::Maildir(folder.path().to_owned());
    assert_eq!(account.load(INBOX, &maildir).unwrap(), 2);
    let generated = Source::Generated {
        count: 3,
        size: 500,
    };
    assert_eq!(account.load("Made/Up", &generated).unwrap(), 3);
    account.read(|mailboxes| {
        let second = mailboxes.get(INBOX).unwrap().message(2).unwrap();
        assert_eq!(second.flags.to_string(), "\\Flagged \\Seen");
        let made = mailboxes.get("Made/Up").unwrap().message(3).unwrap();
        assert_eq!((made.size(), made.content().len()), (500, 500));
    });
}

#[test]
fn dates_are_told_as_they_were_given() {
    for (day, time, zone, expected) in [
        ((2026, 1, 1), (12, 0, 5), 0, " 1-Jan-2026 12:00:05 +0000"),
        ((2024, 2, 29), (0, 0, 0), -150, "29-Feb-2024 00:00:00 -0230"),
        (
            (1969, 12, 31),
            (23, 59, 59),
            60,
            "31-Dec-1969 23:59:59 +0100",
        ),
    ] {
        let date = Date::of(day, time, zone).unwrap();
        assert_eq!(date.to_string(), expected);
    }
    assert_eq!(
        Date::of((1970, 1, 2), (1, 0, 0), 120).unwrap().seconds,
        82_800
    );
    assert!(Date::of((2025, 2, 29), (0, 0, 0), 0).is_none());
    assert!(Date::of((2025, 1, 1), (24, 0, 0), 0).is_none());
}
