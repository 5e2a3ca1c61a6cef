//! One store behind all the servers.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;

use super::*;
use crate::mailbox::{Flags, Refusal};
use crate::{Options, Server, Service};

/// A client of few words.
struct Client(BufReader<TcpStream>);

impl Client {
    fn to(server: &Server) -> Client {
        let stream = TcpStream::connect(server.address()).unwrap();
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).unwrap();
        Client(BufReader::new(stream))
    }

    fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// Everything up to the end of the connection.
    fn rest(mut self) -> String {
        let mut heard = String::new();
        while self.0.read_line(&mut heard).unwrap() > 0 {}
        heard
    }

    /// Everything up to a line that begins so.
    fn until(&mut self, end: &str) -> String {
        let mut heard = String::new();
        loop {
            let start = heard.len();
            assert!(self.0.read_line(&mut heard).unwrap() > 0, "{heard}");
            if heard[start..].starts_with(end) {
                return heard;
            }
        }
    }
}

fn serve(service: impl Service + 'static) -> Server {
    Server::start(Options::default(), Arc::new(service)).unwrap()
}

/// Sends a message by SMTP, for what the server says.
fn send(server: &Server, to: &[&str], content: &str) -> String {
    let mut client = Client::to(server);
    client.until("220 ");
    client.say("EHLO me\r\n");
    client.until("250 ");
    let mut said = "MAIL FROM:<a@x>\r\n".to_owned();
    for to in to {
        said.push_str(&format!("RCPT TO:<{to}>\r\n"));
    }
    client.say(&format!("{said}DATA\r\n"));
    let mut heard = client.until("354 ");
    client.say(&format!("{content}.\r\nQUIT\r\n"));
    heard.push_str(&client.rest());
    heard
}

fn pop3(server: &Server, commands: &str) -> String {
    let mut client = Client::to(server);
    client.say(commands);
    client.rest()
}

fn contents(mail: &MailServer, user: &str, count: usize) -> Vec<String> {
    let messages = mail.wait_for(user, count, Duration::from_secs(20));
    let text = |message: &Message| String::from_utf8(message.content().to_vec()).unwrap();
    messages.iter().map(text).collect()
}

#[test]
fn what_comes_in_is_there_for_whoever_asks() {
    let mail = MailServer::default();
    let smtp = serve(mail.mta(Taking::Smtp).unwrap());
    let maildrop = serve(mail.maildrop());
    let imap = serve(mail.imap());

    let mut idle = Client::to(&imap);
    idle.say("a LOGIN b x\r\nb SELECT INBOX\r\nc IDLE\r\n");
    idle.until("+ ");
    send(
        &smtp,
        &["B@example.org", "b@other", "c@x"],
        "Subject: one\r\n\r\n1\r\n",
    );
    idle.until("* 1 EXISTS");
    let heard = pop3(
        &maildrop,
        "USER b@example.org\r\nPASS x\r\nUIDL\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n",
    );
    assert!(heard.contains("+OK 1 messages\r\n"), "{heard}");
    assert!(
        heard.contains("Return-Path: <a@x>\r\nReceived: from me\r\n"),
        "{heard}"
    );
    assert!(
        heard.contains("\r\nSubject: one\r\n\r\n1\r\n.\r\n"),
        "{heard}"
    );
    assert!(
        !heard.contains("for <"),
        "several recipients are not named: {heard}"
    );
    idle.until("* 1 EXPUNGE");
    assert_eq!(contents(&mail, "b", 0), [""; 0]);
    assert_eq!(contents(&mail, "c", 1).len(), 1);
    // What IMAP takes, POP3 gives out.
    idle.say("DONE\r\nd APPEND INBOX {3+}\r\nabc\r\n");
    idle.until("d OK");
    let heard = pop3(&maildrop, "USER b\r\nPASS x\r\nLIST\r\nRETR 1\r\nQUIT\r\n");
    assert!(
        heard.contains("1 5\r\n") && heard.contains("\r\nabc\r\n.\r\n"),
        "{heard}"
    );
}

#[test]
fn submission_and_lmtp_deliver_to_the_same_mailboxes() {
    let mail = MailServer::default();
    let submission = serve(mail.mta(Taking::Submission).unwrap());
    let lmtp = serve(mail.mta(Taking::Lmtp).unwrap());
    let mut client = Client::to(&submission);
    client.say("EHLO me\r\n");
    let offer = client.until("250 ");
    assert!(
        offer.contains("250-AUTH LOGIN PLAIN\r\n") || offer.contains("AUTH PLAIN LOGIN\r\n"),
        "{offer}"
    );
    client.say("MAIL FROM:<a@x>\r\n");
    client.until("530 ");
    // "me" and "x".
    client.say("AUTH LOGIN\r\n");
    client.until("334 ");
    client.say("bWU=\r\n");
    client.until("334 ");
    client.say("eA==\r\n");
    client.until("235 ");
    client.say("MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n");
    client.until("354 ");
    client.say("\r\nhi\r\n.\r\n");
    client.until("250 ");
    let mut client = Client::to(&lmtp);
    client.say("LHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\nDATA\r\n");
    client.until("354 ");
    client.say("\r\nho\r\n.\r\nQUIT\r\n");
    client.until("250 ");
    let texts = contents(&mail, "b", 2);
    assert!(
        texts[0].contains("with ESMTPA id 1\r\n\tfor <b@x>;\r\n"),
        "{}",
        texts[0]
    );
    assert!(texts[1].contains("with LMTP id 1;\r\n"), "{}", texts[1]);
}

#[test]
fn users_limits_and_strangers() {
    let users = [("b@x".to_owned(), "secret".to_owned())];
    let limits = Limits {
        messages: 2,
        ..Limits::default()
    };
    let addresses = Addresses::new(users.iter().map(|(name, _)| name), None);
    let mail = MailServer {
        store: Arc::new(MailStore::by_address(limits, addresses, None).unwrap()),
        users: users.to_vec(),
        max_size: 100,
        ..MailServer::default()
    };
    let smtp = serve(mail.mta(Taking::Smtp).unwrap());
    let heard = send(&smtp, &["c@x", "b@x"], "1\r\n");
    assert!(
        heard.starts_with("250 2.1.0 Sender ok\r\n550 5.1.1 "),
        "{heard}"
    );
    let large = format!("{}\r\n", "x".repeat(99));
    assert!(send(&smtp, &["b@x"], &large).contains("\r\n552 5.3.4 "));
    assert!(send(&smtp, &["b@x"], "2\r\n").contains("\r\n250 2.0.0 Taken"));
    let mut client = Client::to(&smtp);
    client.say("EHLO me\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\n");
    client.until("452 4.2.2 the mailbox is full");
    let maildrop = serve(mail.maildrop());
    for (name, password, heard) in [
        ("b@x", "secret", "+OK 2 messages"),
        ("b", "secret", "+OK 2 messages"),
        ("b", "wrong", "-ERR [AUTH]"),
        ("c", "secret", "-ERR [AUTH]"),
    ] {
        let said = pop3(
            &maildrop,
            &format!("USER {name}\r\nPASS {password}\r\nQUIT\r\n"),
        );
        assert!(said.contains(heard), "{name}: {said}");
    }
}

#[test]
fn mail_is_late_lost_and_altered_where_a_rule_says_so() {
    let rules = [
        "deliver=late@* delay=300ms",
        "deliver=lost@* drop",
        "deliver=b@* count=1 reply=-- seen",
    ];
    let mail = MailServer {
        rules: rules.map(|rule| rule.parse().unwrap()).to_vec(),
        ..MailServer::default()
    };
    let smtp = serve(mail.mta(Taking::Smtp).unwrap());
    let started = Instant::now();
    for to in ["late@x", "lost@x", "b@x", "b@x"] {
        assert!(send(&smtp, &[to], "\r\nhi\r\n").contains("250 2.0.0 Taken"));
    }
    let texts = contents(&mail, "b", 2);
    assert!(texts[0].ends_with("\r\nhi\r\n-- seen\r\n"), "{}", texts[0]);
    assert!(texts[1].ends_with("\r\nhi\r\n"), "{}", texts[1]);
    assert_eq!(contents(&mail, "late", 1).len(), 1);
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!(mail.wait_for("lost", 1, Duration::ZERO).len(), 0);
}

#[test]
fn each_message_has_the_conversation_that_brought_it() {
    let folder = tempfile::tempdir().unwrap();
    let mail = MailServer {
        transcripts: Some(folder.path().join("said")),
        ..MailServer::default()
    };
    let smtp = serve(mail.mta(Taking::Submission).unwrap());
    let mut client = Client::to(&smtp);
    client.say("EHLO me\r\n");
    client.until("250 ");
    client.say("AUTH PLAIN AGIAc2VjcmV0\r\n");
    client.until("235 ");
    for text in ["one", ".two"] {
        client.say("MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n");
        client.until("354 ");
        client.say(&format!("\r\n{}\r\n.\r\n", text.replace('.', "..")));
        client.until("250 ");
    }
    let mut names: Vec<_> = fs::read_dir(folder.path().join("said")).unwrap().collect();
    names.sort_by_key(|entry| entry.as_ref().unwrap().file_name());
    let read = |index: usize| fs::read_to_string(names[index].as_ref().unwrap().path()).unwrap();
    assert_eq!((names.len(), read(2).as_str()), (4, "\r\n.two\r\n"));
    let said = read(3);
    assert!(said.starts_with("S: 220 localhost ESMTP"), "{said}");
    assert!(said.contains("C: AUTH PLAIN (secret)\nS: 235 "), "{said}");
    assert!(!said.contains("AGIA"), "{said}");
    assert_eq!(said.matches("C: MAIL FROM:<a@x>\n").count(), 1, "{said}");
    assert!(said.contains(".eml\nC: .\nS: 250 2.0.0 Taken\n"), "{said}");
}

fn in_folder(folder: &Path) -> MailServer {
    let addresses = Addresses::default();
    let store = MailStore::by_address(Limits::default(), addresses, Some(folder));
    MailServer {
        store: Arc::new(store.unwrap()),
        ..MailServer::default()
    }
}

/// The names below a folder, but for the folders that every Maildir has.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path.to_str().unwrap().to_owned()),
        }
    }
    found.sort();
    found
}

#[test]
fn a_folder_has_what_the_mailboxes_have() {
    let folder = tempfile::tempdir().unwrap();
    let mail = in_folder(folder.path());
    let smtp = serve(mail.mta(Taking::Smtp).unwrap());
    for text in ["one", "two", "three"] {
        send(&smtp, &["b/c@x"], &format!("\r\n{text}\r\n"));
    }
    let account = mail.store.account("b/c@x").unwrap();
    assert!(files(folder.path())
        .iter()
        .all(|name| name.contains("/b%2Fc/new/")));
    account.change(|mailboxes| {
        mailboxes.create("Lists/a").unwrap();
        let inbox = mailboxes.get_mut(INBOX).unwrap();
        inbox.remove(&[2]);
        inbox.set_flags(3, Flags::from_iter(["\\Seen", "\\Flagged"]));
        let id = inbox.id();
        mailboxes.copy(id, &[1], "Lists/a").unwrap();
        mailboxes.rename("Lists", "L").unwrap();
    });
    let found = files(folder.path());
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].contains("/.L.a/new/"), "{found:?}");
    assert!(
        found[1].contains("/cur/") && found[1].ends_with(":2,FS"),
        "{found:?}"
    );
    let uids = |mail: &MailServer| {
        let account = mail.store.account("b/c").unwrap();
        let listed = account.listed();
        let mut uids: Vec<_> = listed.iter().map(|one| one.uid().into_owned()).collect();
        uids.sort();
        uids
    };
    let before = uids(&mail);

    // Another process finds the same.
    let again = in_folder(folder.path());
    assert_eq!(again.store.users(), ["b/c"]);
    let texts = contents(&again, "b/c", 2);
    assert!(texts[0].ends_with("\r\n\r\none\r\n") && texts[1].ends_with("\r\n\r\nthree\r\n"));
    assert_eq!(uids(&again), before);
    let account = again.store.account("b/c").unwrap();
    account.read(|mailboxes| {
        assert_eq!(mailboxes.names().collect::<Vec<_>>(), ["INBOX", "L", "L/a"]);
        let flags = &mailboxes.get(INBOX).unwrap().messages()[1].flags;
        assert_eq!(flags.to_string(), "\\Flagged \\Seen");
    });
    account.change(|mailboxes| mailboxes.delete("L/a")).unwrap();
    assert_eq!(files(folder.path()).len(), 2);

    // Where nothing can be written, nothing is taken.
    fs::remove_dir_all(folder.path()).unwrap();
    assert_eq!(account.deliver(b"four"), Err(Refusal::NotKept));
    assert_eq!(contents(&again, "b/c", 2).len(), 2);
    fs::create_dir_all(folder.path().join("cur")).unwrap();
    let store = MailStore::by_address(Limits::default(), Addresses::default(), Some(folder.path()));
    assert!(store.is_err(), "a Maildir is no folder of Maildirs");
}

#[test]
fn many_connections_lose_nothing() {
    let mail = MailServer::default();
    let smtp = serve(mail.mta(Taking::Smtp).unwrap());
    let (clients, each) = (50, 20);
    thread::scope(|scope| {
        for client in 0..clients {
            let smtp = &smtp;
            scope.spawn(move || {
                let mut connection = Client::to(smtp);
                connection.say("EHLO me\r\n");
                connection.until("250 ");
                for number in 0..each {
                    connection.say("MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n");
                    connection.until("354 ");
                    connection.say(&format!("\r\n{client} {number}\r\n.\r\n"));
                    connection.until("250 ");
                }
            });
        }
    });
    let texts = contents(&mail, "b", clients * each);
    let mut bodies: Vec<_> = texts
        .iter()
        .map(|text| text.rsplit("\r\n\r\n").next())
        .collect();
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), clients * each);
}
