//! Conversations as text: what the client says, and all that the server says.

use super::*;
use crate::mailbox::{Source, INBOX};
use proto_transport::Memory;

const LETTER: &str =
    "From: Ann <ann@a.example>\nTo: bob@b.example\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\
    Date: Thu, 1 Jan 2026 12:00:00 +0000\nMessage-ID: <1@a>\n\nHello\n";

/// Two messages in the INBOX of everybody.
fn imap() -> ImapServer {
    let mut store = MailStore::default().with_uid_validity(7);
    let messages = [LETTER, "Subject: Re: [x] two\nReferences: <1@a>\n\nbody\n"];
    let messages = messages.map(|text| text.as_bytes().to_vec()).to_vec();
    store
        .begin_with(INBOX, &Source::Messages(messages))
        .unwrap();
    ImapServer {
        store: Arc::new(store),
        ..ImapServer::default()
    }
}

fn flawed(flaw: &str) -> ImapServer {
    ImapServer {
        flaws: vec![flaw.parse().unwrap()],
        ..imap()
    }
}

/// What the server says to these pieces, without the greeting.
fn said(imap: &ImapServer, pieces: &[&str]) -> String {
    let memory = Memory::in_pieces(pieces.iter().map(|piece| (*piece).to_owned()));
    let said = memory.said();
    let mut peer = Peer::over(memory);
    let _ = imap.serve(&mut peer, 1);
    let _ = peer.flush();
    let text = String::from_utf8_lossy(&said.bytes()).into_owned();
    let (_, rest) = text.split_once('\n').unwrap();
    rest.replace("\r\n", "\n")
}

/// What it says to commands without tags, logged in.
fn talk(imap: &ImapServer, commands: &[&str]) -> String {
    let commands = commands.iter().map(|command| format!("a {command}\r\n"));
    let pieces: Vec<String> = ["x LOGIN me pw\r\n".to_owned()]
        .into_iter()
        .chain(commands)
        .collect();
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    let said = said(imap, &pieces);
    let (_, rest) = said.split_once('\n').unwrap();
    rest.to_owned()
}

/// The same with INBOX selected, without what is said to that.
fn open(imap: &ImapServer, commands: &[&str]) -> String {
    let said = talk(imap, &[&["SELECT inbox"], commands].concat());
    let (_, rest) = said.split_once("SELECT completed\n").unwrap();
    rest.to_owned()
}

fn violated(imap: &ImapServer) -> String {
    imap.violations().join("\n")
}

#[test]
fn a_mailbox_is_selected_and_read() {
    let imap = imap();
    assert_eq!(
        talk(&imap, &["SELECT INBOX"]),
        "* FLAGS (\\Answered \\Deleted \\Draft \\Flagged \\Seen)\n\
        * OK [PERMANENTFLAGS (\\Answered \\Deleted \\Draft \\Flagged \\Seen \\*)] these stay\n\
        * 2 EXISTS\n* 2 RECENT\n* OK [UNSEEN 1] the first\n* OK [UIDVALIDITY 7] UIDs are valid\n\
        * OK [UIDNEXT 3] the next UID\n* OK [HIGHESTMODSEQ 3] the last\n\
        a OK [READ-WRITE] SELECT completed\n"
    );
    assert_eq!(
        open(&imap, &["FETCH 2 BODY[TEXT]", "UID FETCH 2:* (FLAGS RFC822.SIZE BODY.PEEK[]<3.7>)"]),
        "* 2 FETCH (BODY[TEXT] {6}\nbody\n FLAGS (\\Seen))\na OK FETCH completed\n\
        * 2 FETCH (UID 2 FLAGS (\\Seen) RFC822.SIZE 49 BODY[]<3> {7}\nject: R)\na OK FETCH completed\n"
    );
    assert_eq!(
        open(&imap, &["FETCH 1 (ENVELOPE BODY BODY.PEEK[HEADER.FIELDS (To)] BODY.PEEK[3])"]),
        "* 1 FETCH (ENVELOPE (\"Thu, 1 Jan 2026 12:00:00 +0000\" \"=?utf-8?q?Gr=C3=BC=C3=9Fe?=\" \
        ((\"Ann\" NIL \"ann\" \"a.example\")) ((\"Ann\" NIL \"ann\" \"a.example\")) \
        ((\"Ann\" NIL \"ann\" \"a.example\")) ((NIL NIL \"bob\" \"b.example\")) NIL NIL NIL \"<1@a>\") \
        BODY (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 7 1) \
        BODY[HEADER.FIELDS (TO)] {21}\nTo: bob@b.example\n\n BODY[3] NIL)\na OK FETCH completed\n"
            .replace("(TO)", "(To)")
    );
    assert_eq!(violated(&imap), "");
    assert_eq!(imap.commands()[0], (1, "x LOGIN ***".to_owned()));
}

#[test]
fn searches_find_by_every_key() {
    let imap = imap();
    for (keys, expected) in [
        ("ALL", " 1 2"),
        ("SUBJECT gr\u{fc}ss", ""),
        ("CHARSET UTF-8 SUBJECT {6+}\r\nGR\u{dc}\u{df}", " 1"),
        ("FROM ann NOT TO carl", " 1"),
        ("OR BODY hello TEXT two", " 1 2"),
        (
            "(SENTON 1-Jan-2026 SENTSINCE \"31-Dec-2025\") SENTBEFORE 2-Jan-2026",
            " 1",
        ),
        ("LARGER 49", " 1"),
        ("SMALLER 50 UID 1:*", " 2"),
        ("HEADER message-id \"\" 1", " 1"),
        ("UNSEEN NOT DELETED UNKEYWORD $x", " 1 2"),
        ("MODSEQ 3", " 2 (MODSEQ 3)"),
        ("NEW OLD", ""),
    ] {
        let keys = keys.to_owned();
        let said = open(&imap, &[&format!("SEARCH {keys}")]);
        let status = match keys.is_ascii() || keys.contains('{') {
            true => format!("* SEARCH{expected}\na OK SEARCH completed\n"),
            false => "a BAD a string is missing\n".to_owned(),
        };
        assert!(
            said.starts_with(&status) || !keys.is_ascii(),
            "{keys}: {said}"
        );
    }
    assert_eq!(
        open(
            &imap,
            &[
                "UID SEARCH RETURN (MIN COUNT ALL) 1:2",
                "SEARCH RETURN (SAVE) 2",
                "FETCH $ UID"
            ]
        ),
        "* ESEARCH (TAG \"a\") UID MIN 1 COUNT 2 ALL 1:2\na OK SEARCH completed\n\
        * ESEARCH (TAG \"a\")\na OK SEARCH completed\n* 2 FETCH (UID 2)\na OK FETCH completed\n"
    );
    assert_eq!(
        open(
            &imap,
            &[
                "SORT (REVERSE SIZE) UTF-8 ALL",
                "THREAD REFERENCES UTF-8 ALL",
                "THREAD ORDEREDSUBJECT UTF-8 1:2"
            ]
        ),
        "* SORT 1 2\na OK SORT completed\n* THREAD (1 2)\na OK THREAD completed\n\
        * THREAD (1)(2)\na OK THREAD completed\n"
    );
}

#[test]
fn flags_are_stored_and_messages_go() {
    let imap = imap();
    assert_eq!(
        open(&imap, &[
            "STORE 1:2 +FLAGS ($Work \\deleted)",
            "STORE 2 -FLAGS.SILENT \\Deleted",
            "UID STORE 1 (UNCHANGEDSINCE 2) FLAGS ()",
            "UID STORE 2 (UNCHANGEDSINCE 99) FLAGS.SILENT (\\Flagged)",
            "EXPUNGE",
        ]),
        "* 1 FETCH (FLAGS ($Work \\Deleted \\Recent))\n* 2 FETCH (FLAGS ($Work \\Deleted \\Recent))\n\
        a OK STORE completed\na OK STORE completed\n\
        a OK [MODIFIED 1] some were changed\n* 2 FETCH (UID 2 MODSEQ (7))\na OK STORE completed\n\
        * 1 EXPUNGE\na OK EXPUNGE completed\n"
    );
    assert_eq!(
        open(
            &imap,
            &[
                "COPY 1 Sent",
                "CREATE Sent",
                "COPY 1 Sent",
                "UID MOVE 2 Sent",
                "NOOP"
            ]
        ),
        "a NO [TRYCREATE] there is no such mailbox\na OK CREATE completed\n\
        a OK [COPYUID 8 2 1] COPY completed\n* OK [COPYUID 8 2 2] moved\n* 1 EXPUNGE\n\
        a OK MOVE completed\na OK NOOP completed\n"
    );
    assert_eq!(violated(&imap), "");
}

#[test]
fn mailboxes_are_arranged_and_listed() {
    let imap = imap();
    assert_eq!(
        talk(&imap, &[
            "CREATE Entw&APw-rfe/a",
            "SUBSCRIBE Sent",
            "CREATE Sent",
            "DELETE Entw&APw-rfe",
            "LIST \"\" *",
            "LIST (SUBSCRIBED) \"\" (% Sent) RETURN (STATUS (MESSAGES UIDNEXT))",
            "LIST \"\" \"\"",
            "LSUB \"\" *",
            "STATUS INBOX (MESSAGES UNSEEN SIZE)",
            "NAMESPACE",
            "RENAME Sent S",
            "STATUS Sent (MESSAGES)",
        ]),
        "a OK CREATE completed\na OK SUBSCRIBE completed\na OK CREATE completed\na OK DELETE completed\n\
        * LIST (\\NonExistent \\HasChildren) \"/\" Entw&APw-rfe\n\
        * LIST (\\HasNoChildren) \"/\" Entw&APw-rfe/a\n* LIST (\\HasNoChildren) \"/\" INBOX\n\
        * LIST (\\HasNoChildren \\Sent) \"/\" Sent\na OK LIST completed\n\
        * LIST (\\HasNoChildren \\Sent \\Subscribed) \"/\" Sent\n* STATUS Sent (MESSAGES 0 UIDNEXT 1)\n\
        a OK LIST completed\n* LIST (\\Noselect) \"/\" \"\"\na OK LIST completed\n\
        * LSUB () \"/\" Sent\na OK LSUB completed\n* STATUS INBOX (MESSAGES 2 UNSEEN 2 SIZE 199)\n\
        a OK STATUS completed\n* NAMESPACE ((\"\" \"/\")) NIL NIL\na OK NAMESPACE completed\n\
        a OK RENAME completed\na NO [NONEXISTENT] there is no such mailbox\n"
    );
    let said = talk(
        &imap,
        &[
            "ENABLE IMAP4rev2 X",
            "CREATE \u{fc}",
            "SELECT INBOX",
            "SEARCH ALL",
        ],
    );
    assert!(
        said.starts_with("* ENABLED IMAP4rev2\na OK ENABLE completed\na BAD "),
        "{said}"
    );
    assert!(
        said.contains("\n* LIST (\\HasNoChildren) \"/\" INBOX\na OK [READ-WRITE]"),
        "{said}"
    );
    assert!(
        said.contains("* ESEARCH (TAG \"a\") ALL 1:2\n") && !said.contains("RECENT"),
        "{said}"
    );
}

/// RFC 9051 appendix E: what offers IMAP4rev2 offers its parts.
#[test]
fn a_part_that_is_hidden_hides_the_whole() {
    let offered = |without: &str| {
        let mut imap = imap();
        imap.without.push(without.to_owned());
        let said = said(
            &imap,
            &["1 CAPABILITY\r\n2 LOGIN me pw\r\n3 CAPABILITY\r\n"],
        );
        let lists: Vec<bool> = said
            .lines()
            .filter(|line| line.starts_with("* CAPABILITY"))
            .map(|line| line.split(' ').any(|name| name == "IMAP4rev2"))
            .collect();
        let enabled = talk(&imap, &["ENABLE IMAP4rev2"]).starts_with("* ENABLED IMAP4rev2\n");
        (lists, enabled)
    };
    for part in REV2 {
        assert!(CAPABILITIES.contains(&part), "{part}");
        let part = part.to_ascii_lowercase();
        assert_eq!(offered(&part), (vec![false, false], false), "{part}");
    }
    for other in ["CONDSTORE", "SORT", "LITERAL+", "SPECIAL-USE", "CHILDREN"] {
        assert_eq!(offered(other), (vec![true, true], true), "{other}");
    }
}

/// RFC 9051 section 7.2.2: nobody has to ask for the only version there is.
#[test]
fn a_server_of_nothing_but_rev2_speaks_that() {
    let mut imap = imap();
    imap.without.push("imap4rev1".to_owned());
    assert_eq!(
        open(
            &imap,
            &[
                "CREATE \"\u{fc}\"",
                "SEARCH ALL",
                "STATUS \"\u{fc}\" (MESSAGES)"
            ]
        ),
        "a OK CREATE completed\n* ESEARCH (TAG \"a\") ALL 1:2\na OK SEARCH completed\n\
        * STATUS \"\u{fc}\" (MESSAGES 0)\na OK STATUS completed\n"
    );
    let said = talk(&imap, &["SELECT INBOX"]);
    assert!(
        said.contains("* LIST (\\HasNoChildren) \"/\" INBOX\n"),
        "{said}"
    );
    assert!(
        !said.contains("RECENT") && !said.contains("UNSEEN"),
        "{said}"
    );
}

/// RFC 5258 section 4.
#[test]
fn who_asks_for_children_is_told_of_them() {
    let mut imap = imap();
    imap.without.push("CHILDREN".to_owned());
    assert_eq!(
        talk(&imap, &["LIST \"\" *", "LIST \"\" * RETURN (CHILDREN)"]),
        "* LIST () \"/\" INBOX\na OK LIST completed\n\
        * LIST (\\HasNoChildren) \"/\" INBOX\na OK LIST completed\n"
    );
}

#[test]
fn messages_are_appended() {
    let imap = imap();
    let said = said(
        &imap,
        &[
            "1 LOGIN me pw\r\n2 SELECT INBOX\r\n",
            "3 APPEND INBOX (\\Seen) \" 1-Feb-2026 01:02:03 +0100\" {7}\r\n",
            "A: b\r\n\r\r\n",
            "4 APPEND INBOX {3+}\r\nabc\r\n5 APPEND None {1+}\r\nx\r\n6 FETCH 3 INTERNALDATE\r\n",
        ],
    );
    let (_, said) = said.split_once("SELECT completed\n").unwrap();
    assert_eq!(
        said,
        "+ go ahead\n* 3 EXISTS\n* 3 RECENT\n3 OK [APPENDUID 7 3] APPEND completed\n\
        * 4 EXISTS\n* 4 RECENT\n4 OK [APPENDUID 7 4] APPEND completed\n\
        5 NO [TRYCREATE] there is no such mailbox\n\
        * 3 FETCH (INTERNALDATE \" 1-Feb-2026 01:02:03 +0100\")\n6 OK FETCH completed\n"
    );
}

#[test]
fn others_change_numbers_only_where_they_may() {
    let imap = Arc::new(imap());
    let account = imap.store.account("me").unwrap();
    // The rule gives the moment at which somebody else acts.
    let mut server = ImapServer {
        store: Arc::clone(&imap.store),
        rules: vec!["noop count=1 reply=OK now".parse().unwrap()],
        ..ImapServer::default()
    };
    let inbox = account.read(|mailboxes| mailboxes.get(INBOX).unwrap().id());
    server.notify = Some(Box::new(move |news| {
        if let News::Violation(_) = news {
            account.change(|mailboxes| {
                let inbox = mailboxes.by_id_mut(inbox).unwrap();
                inbox.remove(&[1]);
                inbox.set_flags(2, ["\\Flagged"].into_iter().collect());
            });
            account.deliver(b"A: new").unwrap();
        }
    }));
    assert_eq!(
        open(
            &server,
            &["XYZ", "FETCH 1:2 UID", "UID FETCH 2 FLAGS", "FETCH 2 UID"]
        ),
        "* 3 EXISTS\n* 3 RECENT\n* 2 FETCH (FLAGS (\\Flagged \\Recent))\na BAD no such command\n\
        * 2 FETCH (UID 2)\na NO [EXPUNGEISSUED] some messages are gone\n\
        * 2 FETCH (UID 2 FLAGS (\\Flagged \\Recent))\n* 1 EXPUNGE\na OK FETCH completed\n\
        * 2 FETCH (UID 3)\na OK FETCH completed\n"
    );
}

#[test]
fn what_no_client_should_say_is_refused_and_noted() {
    for (command, what) in [
        ("SELECT", "an argument is missing"),
        ("SELECT  INBOX", "one space is enough"),
        ("FETCH 1 UID", "select a mailbox first"),
        ("LOGIN a b", "you are logged in already"),
        ("NOOP x", "does not belong here"),
        ("LIST \"\" \"\u{fc}\"", "8-bit"),
        ("CREATE &AGE-", "modified UTF-7"),
        ("STATUS INBOX (X)", "there is no item X"),
        ("UID NOOP", "select a mailbox first"),
        ("STARTTLS", "logged in already"),
        ("SELECT \"INBOX", "no end"),
    ] {
        let imap = imap();
        let said = talk(&imap, &[command]);
        assert!(said.starts_with("a BAD "), "{command}: {said}");
        assert!(
            violated(&imap).contains(what),
            "{command}: {}",
            violated(&imap)
        );
    }
    for (command, what) in [
        ("FETCH 3 UID", "there is no message 3"),
        ("FETCH 0 UID", "no sequence set"),
        ("FETCH 1 (BODY[1.MIME.2])", "no section"),
        ("FETCH 1 BODY[]<0.0>", "no part"),
        ("STORE 1 FLAGS (\\Recent)", "cannot be set"),
        ("SEARCH FROM", "argument is missing"),
        ("SEARCH SINCE 1-1-2026", "no date"),
        ("UID EXPUNGE", "argument is missing"),
    ] {
        let imap = imap();
        let said = open(&imap, &[command]);
        assert!(said.starts_with("a BAD "), "{command}: {said}");
        assert!(
            violated(&imap).contains(what),
            "{command}: {}",
            violated(&imap)
        );
    }
    let imap = imap();
    for (pieces, what) in [
        (&["+ NOOP\r\n"][..], "no tag"),
        (&["a NOOP\n"], "bare LF"),
        (&["a LOGIN {2}\r\nme pw\r\n"], "before its continuation"),
        (&["a LOGIN me \"p\u{fc}\"\r\n"], "8-bit"),
    ] {
        said(&imap, pieces);
        assert!(
            violated(&imap).contains(what),
            "{what}: {}",
            violated(&imap)
        );
    }
    assert!(!violated(&imap).contains("LOGIN me"), "{}", violated(&imap));
}

#[test]
fn whoever_logs_in_must_know_the_password() {
    let imap = ImapServer {
        users: vec![("user".to_owned(), "pencil".to_owned())],
        ..imap()
    };
    for (pieces, expected) in [
        (&["a LOGIN user x\r\n"][..], "a NO [AUTHENTICATIONFAILED]"),
        (
            &["a LOGIN {4}\r\n", "user {6}\r\n", "pencil\r\n"],
            "+ go ahead\n+ go ahead\na OK [CAPABILITY",
        ),
        (
            &["a AUTHENTICATE PLAIN AHVzZXIAcGVuY2ls\r\n"],
            "a OK [CAPABILITY",
        ),
        (
            &["a AUTHENTICATE PLAIN\r\n", "AHVzZXIAcGVuY2ls\r\n"],
            "+ \na OK [CAPABILITY",
        ),
        (
            &["a AUTHENTICATE LOGIN\r\n", "*\r\n"],
            "+ VXNlcm5hbWU6\na BAD cancelled",
        ),
        (
            &["a AUTHENTICATE SCRAM-SHA-256-PLUS\r\n"],
            "a BAD no such mechanism",
        ),
    ] {
        let said = said(&imap, pieces);
        assert!(said.starts_with(expected), "{pieces:?}: {said}");
    }
    let heard: Vec<String> = imap.commands().into_iter().map(|(_, line)| line).collect();
    assert!(!heard.join("\n").contains("pencil"), "{heard:?}");
    assert!(!heard.join("\n").contains("AHVz"), "{heard:?}");
}

#[test]
fn rules_replace_replies_and_end_conversations() {
    let with = |rule: &str| ImapServer {
        rules: vec![rule.parse().unwrap()],
        ..imap()
    };
    for (rule, expected) in [
        (
            "fetch=2 reply=NO Later",
            "a NO Later\na OK NOOP completed\n",
        ),
        (
            "message=2 reply=NO [X] Later",
            "* 1 FETCH (UID 1)\na NO [X] Later\na OK NOOP completed\n",
        ),
        ("message=2 drop", "* 1 FETCH (UID 1)\n"),
        (
            "*=fetch reply=* 9 EXISTS\\nOK fine",
            "* 9 EXISTS\n* 1 FETCH (UID 1)\n* 2 FETCH (UID 2)\na OK fine\na OK NOOP completed\n",
        ),
        ("fetch reply=BYE now", "* BYE now\n"),
        (
            "fetch drop-after",
            "* 1 FETCH (UID 1)\n* 2 FETCH (UID 2)\na OK FETCH completed\n",
        ),
    ] {
        assert_eq!(
            open(&with(rule), &["FETCH 1:* UID", "NOOP"]),
            expected,
            "{rule}"
        );
    }
}

#[test]
fn flaws_are_what_they_say() {
    for (flaw, command, expected) in [
        (
            "long-literal",
            "FETCH 2 BODY.PEEK[TEXT]",
            "* 2 FETCH (BODY[TEXT] {16}\nbody\n)\na OK",
        ),
        (
            "short-literal",
            "FETCH 1 BODY.PEEK[TEXT]",
            "* 1 FETCH (BODY[TEXT] {0}\nHello\n)\na OK",
        ),
        (
            "huge-literal=99",
            "FETCH 1 BODY.PEEK[TEXT]",
            "* 1 FETCH (BODY[TEXT] {99}\nHello\n",
        ),
        (
            "nil-body",
            "FETCH 1 BODY.PEEK[]",
            "* 1 FETCH (BODY[] NIL)\n",
        ),
        (
            "uid-last",
            "UID FETCH 1 (UID BODY.PEEK[TEXT])",
            "* 1 FETCH (BODY[TEXT] {7}\nHello\n UID 1)",
        ),
        (
            "no-in-fetch",
            "FETCH 1:2 UID",
            "* 1 FETCH (UID 1)\na NO [SERVERBUG]",
        ),
        (
            "bye-in-fetch",
            "FETCH 1:2 UID",
            "* 1 FETCH (UID 1)\n* BYE that is all\n",
        ),
        (
            "expunge-in-fetch",
            "FETCH 1:2 UID",
            "* 1 FETCH (UID 1)\n* 1 EXPUNGE\n* 2 FETCH (UID 2)\n",
        ),
        ("huge-search=3", "SEARCH 1", "* SEARCH 1 2 3\n"),
        ("deep-list=3", "FETCH 1 BODY", "* 1 FETCH (BODY ((())))\n"),
        (
            "foreign-fetch",
            "FETCH 1 UID",
            "* 4294967295 FETCH (UID 4294967295 FLAGS (\\Seen))\n* 1 FETCH (UID 1)\n* 2 FETCH",
        ),
        (
            "duplicate-uids",
            "FETCH 1:2 UID",
            "* 1 FETCH (UID 1)\n* 2 FETCH (UID 1)\n",
        ),
    ] {
        let said = open(&flawed(flaw), &[command]);
        assert!(said.starts_with(expected), "{flaw}: {said}");
    }
    let said = talk(
        &flawed("new-uidvalidity"),
        &["SELECT INBOX", "SELECT INBOX"],
    );
    assert!(
        said.contains("[UIDVALIDITY 8]") && said.contains("[UIDVALIDITY 9]"),
        "{said}"
    );
    let said = talk(&flawed("flood=2"), &["NOOP"]);
    assert!(
        said.ends_with("* 1 EXISTS\n* OK [ALERT] the server floods\na OK NOOP completed\n"),
        "{said}"
    );
    assert!(talk(&flawed("lower-case"), &["NOOP"]).contains("a ok NOOP completed"));
    assert!(said_to_all("early-replies=Q", "").contains("Q OK early\n"));
    assert!(said_to_all("login-disabled", "a LOGIN me pw\r\n").contains("a BAD LOGIN is disabled"));
    assert!(said_to_all("preauth", "a SELECT INBOX\r\n").contains("a OK [READ-WRITE]"));
    let said = open(&flawed("eight-bit-envelope"), &["FETCH 1 ENVELOPE"]);
    assert!(said.contains('\u{fffd}'), "{said}");
}

fn said_to_all(flaw: &str, commands: &str) -> String {
    said(&flawed(flaw), &[commands])
}

#[test]
fn idling_ends_with_done() {
    let imap = imap();
    let said = said(
        &imap,
        &[
            "a LOGIN me x\r\n",
            "b SELECT INBOX\r\n",
            "c IDLE\r\n",
            "done\r\n",
            "d NOOP\r\n",
        ],
    );
    assert!(
        said.ends_with("+ idling\nc OK IDLE completed\nd OK NOOP completed\n"),
        "{said}"
    );
    assert_eq!(violated(&imap), "");
}
