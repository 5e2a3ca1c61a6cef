//! Conversations as text: what the client says, and all that the server says.

mod misbehaviour;

use super::*;
use base64::prelude::{Engine, BASE64_STANDARD};
use proto_transport::Memory;

/// One group with articles 1, 2 and 5, one that is empty, and one that nobody may write to.
fn news() -> NewsServer {
    let news = NewsServer::default();
    let spool = &news.spool;
    spool.create("misc.test", 'y', "For tests");
    spool.create("misc.empty", 'y', "Empty");
    spool.create("misc.shut", 'n', "Shut");
    for number in [1, 2] {
        let header = format!(
            "From: a@b\r\nNewsgroups: misc.test\r\nSubject: Number\t{number}\r\n\
            Message-ID: <{number}@x>\r\nDate: Thu, 01 Jan 2026 12:00:00 +0000\r\nPath: x\r\n"
        );
        let id = format!("<{number}@x>");
        let groups = ["misc.test".to_owned()];
        let filed = spool.file(&id, &groups, header.as_bytes(), b".\r\nbody\r\n");
        assert_eq!(filed, Ok(()));
    }
    news
}

fn made(count: u64) -> NewsServer {
    let news = NewsServer::default();
    assert!(news.spool.generate("a.b", count, 800));
    news
}

fn flawed(flaw: &str) -> NewsServer {
    NewsServer {
        flaws: vec![flaw.parse().unwrap()],
        ..news()
    }
}

fn ruled(rule: &str) -> NewsServer {
    NewsServer {
        rules: vec![rule.parse().unwrap()],
        ..news()
    }
}

/// What the server says to these lines, each of which waits for its reply; without the greeting.
fn talk(news: &NewsServer, lines: &[&str]) -> String {
    let said = said(news, lines);
    let (_, said) = said.split_once('\n').unwrap();
    said.to_owned()
}

fn said(news: &NewsServer, lines: &[&str]) -> String {
    let lines = lines.iter().map(|line| format!("{line}\r\n"));
    let memory = Memory::in_pieces(lines);
    let said = memory.said();
    let mut peer = Peer::over(memory);
    let _ = news.serve(&mut peer, 1);
    let _ = peer.flush();
    String::from_utf8_lossy(&said.bytes()).replace("\r\n", "\n")
}

#[track_caller]
fn has_violation(news: &NewsServer, what: &str) {
    let violations = news.violations();
    let is_there = violations.iter().any(|violation| violation.contains(what));
    assert!(is_there, "{what} is not in {violations:?}");
}

const ARTICLE: &str = "From: me@here\r\nNewsgroups: misc.test\r\nSubject: s\r\nMessage-ID: <new@x>";

#[test]
fn groups_are_selected_and_listed() {
    let news = news();
    assert_eq!(
        talk(
            &news,
            &[
                "GROUP misc.test",
                "LISTGROUP",
                "LISTGROUP misc.test 2-",
                "LISTGROUP misc.test 3-2",
                "group misc.empty",
                "STAT",
                "GROUP no.such",
                "LISTGROUP misc.test 1",
                "NEXT",
                "NEXT",
                "LAST",
                "LAST",
            ]
        ),
        "211 2 1 2 misc.test\n211 2 1 2 misc.test list follows\n1\n2\n.\n\
        211 2 1 2 misc.test list follows\n2\n.\n211 2 1 2 misc.test list follows\n.\n\
        211 0 1 0 misc.empty\n420 no current article\n411 no such newsgroup\n\
        211 2 1 2 misc.test list follows\n1\n.\n\
        223 2 <2@x>\n421 no next article\n223 1 <1@x>\n422 no previous article\n"
    );
    assert_eq!(news.violations(), [""; 0]);
}

#[test]
fn articles_are_read_by_number_and_by_message_id() {
    let news = news();
    let header = "From: a@b\nNewsgroups: misc.test\nSubject: Number\t2\nMessage-ID: <2@x>\n\
        Date: Thu, 01 Jan 2026 12:00:00 +0000\nPath: x\nXref: localhost misc.test:2\n";
    assert_eq!(
        talk(
            &news,
            &[
                "ARTICLE <2@x>",
                "HEAD <2@x>",
                "BODY <2@x>",
                "STAT <2@x>",
                "STAT <3@x>"
            ]
        ),
        format!(
            "220 0 <2@x>\n{header}\n..\nbody\n.\n221 0 <2@x>\n{header}.\n\
            222 0 <2@x>\n..\nbody\n.\n223 0 <2@x>\n430 no such article\n"
        )
    );
    assert_eq!(
        talk(
            &news,
            &[
                "STAT 1",
                "STAT",
                "GROUP misc.test",
                "STAT 2",
                "STAT",
                "STAT 3",
                "STAT <1@x>",
                "STAT"
            ]
        ),
        "412 no newsgroup selected\n412 no newsgroup selected\n211 2 1 2 misc.test\n223 2 <2@x>\n\
        223 2 <2@x>\n423 no article of that number\n223 0 <1@x>\n223 2 <2@x>\n"
    );
    assert_eq!(news.violations(), [""; 0]);
}

#[test]
fn overviews_have_all_fields() {
    let news = news();
    let line = |number: &str, n: u32| {
        format!(
            "{number}\tNumber {n}\ta@b\tThu, 01 Jan 2026 12:00:00 +0000\t<{n}@x>\t\t160\t2\t\
            Xref: localhost misc.test:{n}"
        )
    };
    let said = talk(
        &news,
        &[
            "GROUP misc.test",
            "OVER 1-",
            "OVER",
            "XOVER 2",
            "OVER <2@x>",
            "OVER 7-",
        ],
    );
    assert_eq!(
        said,
        format!(
            "211 2 1 2 misc.test\n224 overview follows\n{}\n{}\n.\n224 overview follows\n{}\n.\n\
            224 overview follows\n{}\n.\n224 overview follows\n{}\n.\n423 no articles in that range\n",
            line("1", 1),
            line("2", 2),
            line("1", 1),
            line("2", 2),
            line("0", 2)
        )
    );
    assert_eq!(
        talk(
            &news,
            &[
                "GROUP misc.test",
                "HDR subject 1-2",
                "HDR :bytes",
                "XHDR References 2",
                "HDR References 2",
                "HDR :x 1",
                "HDR Subject <1@x>"
            ]
        ),
        "211 2 1 2 misc.test\n225 headers follow\n1 Number 1\n2 Number 2\n.\n\
        225 headers follow\n1 160\n.\n221 headers follow\n2 (none)\n.\n225 headers follow\n2 \n.\n\
        503 no such metadata item\n225 headers follow\n0 Number 1\n.\n"
    );
    assert_eq!(news.violations(), [""; 0]);
}

#[test]
fn lists_are_filtered_by_wildmats() {
    let news = news();
    assert_eq!(
        talk(
            &news,
            &[
                "LIST",
                "LIST ACTIVE *.e*",
                "LIST NEWSGROUPS *,!*t",
                "LIST COUNTS misc.test"
            ]
        ),
        "215 the list follows\nmisc.empty 0 1 y\nmisc.shut 0 1 n\nmisc.test 2 1 y\n.\n\
        215 the list follows\nmisc.empty 0 1 y\n.\n215 the list follows\nmisc.empty\tEmpty\n.\n\
        215 the list follows\nmisc.test 2 1 2 y\n.\n"
    );
    assert_eq!(
        talk(
            &news,
            &[
                "LIST OVERVIEW.FMT",
                "LIST HEADERS",
                "LIST HEADERS MSGID",
                "LIST DISTRIB.PATS"
            ]
        ),
        "215 the list follows\nSubject:\nFrom:\nDate:\nMessage-ID:\nReferences:\n:bytes\n:lines\n\
        Xref:full\n.\n215 the list follows\n:\n:bytes\n:lines\n.\n215 the list follows\n:\n:bytes\n\
        :lines\n.\n215 the list follows\n10:local.*:local\n5:*:world\n.\n"
    );
    let said = talk(
        &news,
        &[
            "LIST MOTD",
            "LIST ACTIVE.TIMES misc.test",
            "LIST SUBSCRIPTIONS",
        ],
    );
    assert!(
        said.contains("\n..\n") && said.contains(" news@localhost\n"),
        "{said}"
    );
    assert_eq!(news.violations(), [""; 0]);
}

#[test]
fn new_groups_and_articles_are_told() {
    let news = made(3);
    assert_eq!(
        talk(&news, &["NEWNEWS a.* 20260101 120002 GMT", "NEWNEWS *,!a.* 700101 000000", "NEWGROUPS 20200101 000000"]),
        "230 the new articles follow\n<2.a.b@generated.localhost>\n<3.a.b@generated.localhost>\n.\n\
        230 the new articles follow\n.\n231 the new groups follow\na.b 3 1 y\n.\n"
    );
    let date = talk(&news, &["DATE"]);
    assert_eq!(date.len(), "111 20260101120000\n".len());
    assert_eq!(news.violations(), [""; 0]);
}

#[test]
fn what_is_posted_is_read() {
    let news = news();
    let article = format!("{ARTICLE}\r\n\r\n..\r\nline\r\n.");
    let said = talk(
        &news,
        &[
            "POST",
            &article,
            "GROUP misc.test",
            "HEAD 3",
            "BODY <new@x>",
            "IHAVE <new@x>",
        ],
    );
    assert!(said.starts_with("340 send the article\n240 article received\n211 3 1 3 misc.test\n"));
    assert!(said.contains("\nDate: ") && said.contains("\nPath: localhost!not-for-mail\n"));
    assert!(said.contains("\nXref: localhost misc.test:3\n"));
    assert!(said.ends_with("222 0 <new@x>\n..\nline\n.\n435 this article is here already\n"));
    let posted = news.posted();
    assert_eq!(posted.len(), 1);
    assert_eq!(
        posted[0].content,
        format!("{ARTICLE}\r\n\r\n.\r\nline\r\n").as_bytes()
    );
    assert_eq!(
        (posted[0].message_id.as_str(), posted[0].is_transfer),
        ("<new@x>", false)
    );
    assert_eq!(news.violations(), [""; 0]);
    // The second time it is a duplicate, which is no violation.
    assert!(talk(&news, &["POST", &article]).contains("441 435 "));
    let other = "From: a@b\r\nNewsgroups: misc.test, x.y\r\nSubject: s\r\nMessage-ID: <o@x>\r\nDate: d\r\nPath: p\r\n\r\n.";
    assert!(talk(&news, &["IHAVE <o@x>", other])
        .ends_with("335 send the article\n235 article received\n"));
    assert!(news.posted()[1].is_transfer);
    assert_eq!(news.violations(), [""; 0]);
}

#[test]
fn what_is_no_article_is_refused() {
    for (article, why) in [
        (
            "From: a@b\r\nSubject: s\r\n\r\nx\r\n.",
            "there is no Newsgroups",
        ),
        ("From: a\r\nFrom: b\r\n\r\n.", "two fields from"),
        ("Subject: s\r\n.", "no empty line"),
        ("nothing\r\n\r\n.", "is no field"),
        ("From:a\r\n\r\n.", "no space behind From"),
        (
            "From: a\r\nNewsgroups: a b\r\nSubject: s\r\n\r\n.",
            "is no newsgroup",
        ),
        (
            "From: a\r\nNewsgroups: a\r\nSubject: s\r\nMessage-ID: x\r\n\r\n.",
            "is no Message-ID",
        ),
    ] {
        let news = news();
        let said = talk(&news, &["POST", article]);
        assert!(said.starts_with("340 send the article\n441 "), "{said}");
        has_violation(&news, why);
        assert_eq!(news.posted(), []);
    }
    for (line, why) in [
        (".undoubled", "not doubled"),
        ("a\rb", "bare CR"),
        ("a\nb", "bare LF"),
        ("a\0b", "NUL"),
        (&format!("..{}", "x".repeat(998)), "longer than 998"),
    ] {
        let news = news();
        talk(&news, &["POST", &format!("{ARTICLE}\r\n\r\n{line}\r\n.")]);
        has_violation(&news, why);
    }
    let refused = talk(
        &NewsServer {
            posting: false,
            ..news()
        },
        &["POST"],
    );
    assert_eq!(refused, "440 posting is not permitted\n");
    let shut = ARTICLE.replace("misc.test", "misc.shut");
    assert!(talk(&news(), &["POST", &format!("{shut}\r\n\r\n.")]).contains("441 nobody may post"));
    let nowhere = ARTICLE.replace("misc.test", "no.such");
    assert!(
        talk(&news(), &["POST", &format!("{nowhere}\r\n\r\n.")]).contains("441 there is no such")
    );
}

#[test]
fn a_reply_that_is_lost_keeps_the_article_and_a_refusal_does_not() {
    let article = format!("{ARTICLE}\r\n\r\n.");
    for (rule, kept, last) in [
        ("post drop", 1, "340 send the article\n"),
        ("post reset", 1, "340 send the article\n"),
        (
            "post=misc.test drop-after",
            1,
            "340 send the article\n240 article received\n",
        ),
        (
            "post=<new@*> reply=441 No",
            0,
            "340 send the article\n441 No\n500 no such command\n",
        ),
        ("post drop reply=441 No", 0, "340 send the article\n"),
        ("posting drop", 0, ""),
    ] {
        let news = ruled(rule);
        assert_eq!(talk(&news, &["POST", &article, "X"]), last, "{rule}");
        assert_eq!(news.posted().len(), kept, "{rule}");
        assert_eq!(news.spool.by_id("<new@x>").is_some(), kept == 1);
    }
    // Without a dot there is no article.
    let news = news();
    assert_eq!(talk(&news, &["POST", ARTICLE]), "340 send the article\n");
    assert_eq!(news.posted(), []);
}

#[test]
fn capabilities_can_be_hidden() {
    let all = talk(&news(), &["CAPABILITIES"]);
    assert_eq!(
        all,
        "101 capability list follows\nVERSION 2\nIMPLEMENTATION proto-mock\nREADER\nIHAVE\nPOST\n\
        NEWNEWS\nHDR\nOVER MSGID\nLIST ACTIVE NEWSGROUPS ACTIVE.TIMES OVERVIEW.FMT HEADERS \
        DISTRIB.PATS COUNTS DISTRIBUTIONS MODERATORS MOTD SUBSCRIPTIONS\nSTARTTLS\n\
        COMPRESS DEFLATE\nAUTHINFO USER SASL\nSASL PLAIN EXTERNAL ANONYMOUS\n.\n"
    );
    for name in CAPABILITIES {
        let mut news = news();
        news.without.push(name.to_owned());
        let said = talk(&news, &["CAPABILITIES"]);
        let is_shown = !matches!(name, "XOVER" | "XHDR" | "MODE-READER");
        assert_eq!(said == all, !is_shown, "{name}");
    }
    let mut old = news();
    old.without = ["CAPABILITIES", "OVER", "HDR", "LIST=COUNTS"]
        .map(str::to_owned)
        .to_vec();
    assert_eq!(
        talk(
            &old,
            &[
                "CAPABILITIES",
                "GROUP misc.test",
                "OVER 1",
                "HDR Subject 1",
                "LIST COUNTS"
            ]
        ),
        "500 no such command\n211 2 1 2 misc.test\n500 no such command\n500 no such command\n\
        503 this list is not kept\n"
    );
    assert!(talk(&old, &["GROUP misc.test", "XOVER 1"]).contains("224 "));
    assert_eq!(old.violations(), [""; 0]);
}

#[test]
fn a_mode_switching_server_waits_for_mode_reader() {
    let news = NewsServer {
        starts_in_transit: true,
        ..news()
    };
    let said = talk(
        &news,
        &[
            "CAPABILITIES",
            "GROUP misc.test",
            "MODE READER",
            "CAPABILITIES",
            "GROUP misc.test",
        ],
    );
    let (before, after) = said
        .split_once("401 MODE-READER say MODE READER first\n200 ")
        .unwrap();
    assert!(before.contains("\nMODE-READER\n") && !before.contains("READER\nIHAVE\nPOST"));
    assert!(after.contains("\nREADER\n") && !after.contains("\nMODE-READER\n"));
    assert!(after.ends_with("211 2 1 2 misc.test\n"));
}

#[test]
fn logins_are_demanded_and_taken() {
    let news = NewsServer {
        users: vec![("fred".to_owned(), "pencil".to_owned())],
        needs_login: Wildmat::parse("misc.test"),
        ..news()
    };
    let plain = BASE64_STANDARD.encode("\0fred\0pencil");
    assert_eq!(
        talk(
            &news,
            &[
                "GROUP misc.test",
                "ARTICLE <1@x>",
                "GROUP misc.empty",
                "LIST ACTIVE misc.*t",
                "AUTHINFO USER fred",
                "AUTHINFO PASS wrong",
                "AUTHINFO USER fred",
                "AUTHINFO PASS pencil",
                "GROUP misc.test",
                "LIST ACTIVE misc.*t",
            ]
        ),
        "480 log in first\n480 log in first\n211 0 1 0 misc.empty\n215 the list follows\n\
        misc.shut 0 1 n\n.\n381 and the password?\n481 wrong name or password\n\
        381 and the password?\n281 welcome\n211 2 1 2 misc.test\n215 the list follows\n\
        misc.shut 0 1 n\nmisc.test 2 1 y\n.\n"
    );
    assert_eq!(
        talk(
            &news,
            &[&format!("AUTHINFO SASL PLAIN {plain}"), "GROUP misc.test"]
        ),
        "281 welcome\n211 2 1 2 misc.test\n"
    );
    assert_eq!(
        talk(&news, &["AUTHINFO SASL PLAIN", &plain]),
        "383 =\n281 welcome\n"
    );
    assert_eq!(
        talk(&news, &["AUTHINFO SASL PLAIN", "*"]),
        "383 =\n481 cancelled\n"
    );
    assert_eq!(news.violations(), [""; 0]);
    assert_eq!(talk(&news, &["AUTHINFO PASS x"]).get(..3), Some("482"));
    let said = talk(
        &news,
        &[
            "AUTHINFO USER fred",
            "AUTHINFO PASS pencil",
            "AUTHINFO USER fred",
            "CAPABILITIES",
        ],
    );
    assert!(said.contains("502 you are logged in already\n") && !said.contains("\nAUTHINFO"));
    let private = NewsServer {
        needs_login: Wildmat::parse("*"),
        ..NewsServer::default()
    };
    assert_eq!(
        talk(&private, &["LIST", "POST"]),
        "480 log in first\n480 log in first\n"
    );
    let shut = NewsServer {
        needs_tls: true,
        ..NewsServer::default()
    };
    assert_eq!(
        talk(&shut, &["AUTHINFO USER a", "LIST", "DATE"])
            .matches("483 ")
            .count(),
        2
    );
}

#[test]
fn scram_tells_its_last_word_with_the_success() {
    let news = NewsServer {
        users: vec![("fred".to_owned(), "pencil".to_owned())],
        ..news()
    };
    let first = BASE64_STANDARD.encode("n,,n=fred,r=abc");
    let said = talk(
        &news,
        &[&format!("AUTHINFO SASL SCRAM-SHA-256 {first}"), "*"],
    );
    assert!(
        said.starts_with("383 ") && said.ends_with("481 cancelled\n"),
        "{said}"
    );
}

#[test]
fn compression_comes_last() {
    let news = news();
    let said = said(&news, &["COMPRESS LZMA", "COMPRESS", "COMPRESS DEFLATE"]);
    assert!(said.contains("503 only DEFLATE is known\n501 "));
    assert!(said.ends_with("206 compression is active\n"));
}
