//! What clients should not say, and what servers should not, but do.

use super::*;

#[test]
fn what_no_client_should_say_is_refused_and_noted() {
    for (line, code, what) in [
        ("XYZZY", "500", "no such command"),
        ("", "500", "no such command"),
        ("GROUP", "501", "GROUP takes a newsgroup"),
        ("GROUP a b", "501", "GROUP takes a newsgroup"),
        ("GROUP a*", "501", "no name of a newsgroup"),
        ("STAT <x", "501", "no Message-ID"),
        ("STAT <a b>", "501", "takes an article number"),
        ("STAT -1", "501", "no article number"),
        ("STAT 12345678901234567", "501", "no article number"),
        ("OVER 1-x", "501", "no range"),
        ("OVER 1-2-3", "501", "no range"),
        ("HDR", "501", "HDR takes a field"),
        ("HDR a:b 1", "501", "no name of a field"),
        ("LIST NONSENSE", "501", "no such list"),
        ("LIST ACTIVE [a]", "501", "no wildmat"),
        ("NEWGROUPS 2026 1", "501", "a moment is"),
        ("MODE POSTER", "501", "there is MODE READER"),
        ("DATE x", "501", "nothing may follow"),
        ("IHAVE x", "501", "no Message-ID"),
        ("CAPABILITIES a!b", "501", "one keyword"),
        ("AUTHINFO GENERIC x", "501", "AUTHINFO takes"),
        ("DATE ", "111", "blanks before or behind"),
        ("DATE\0", "501", "NUL"),
        (
            &format!("GROUP {}", "x".repeat(506)),
            "501",
            "longer than 512",
        ),
    ] {
        let news = news();
        let said = talk(&news, &[line]);
        assert!(said.starts_with(code), "{line}: {said}");
        has_violation(&news, what);
    }
    let exact = news();
    let said = talk(&exact, &[&format!("GROUP {}", "x".repeat(497))]);
    assert_eq!(
        (said.as_str(), exact.violations().len()),
        ("411 no such newsgroup\n", 0)
    );
    let lf = news();
    talk(&lf, &["DATE\nDATE"]);
    has_violation(&lf, "bare LF");
    let early = news();
    talk(&early, &["POST\r\nFrom: me"]);
    has_violation(&early, "10 bytes came before the reply");
    let group = news();
    talk(&group, &["GROUP misc.test\r\nSTAT 1\r\nSTAT 2\r\nQUIT"]);
    assert_eq!(group.violations(), [""; 0]);
}

#[test]
fn every_flaw_shows() {
    let lines = ["GROUP misc.test", "OVER 1-2", "ARTICLE 2", "LISTGROUP"];
    let usual = talk(&news(), &lines);
    for (flaw, shows) in [
        ("wrong-counts", "211 11 1 11 misc.test\n"),
        ("huge-counts", "211 99999999999999999999 1 "),
        ("number-jumps", "\n1099511627778\tNumber 2"),
        ("backward-numbers", "\n2\tNumber 1\t"),
        ("dot-inside", "\nFrom: a@b\n.\nNewsgroups: misc.test\n"),
        (
            "over-few-tabs",
            "+0000\n2\tNumber 2\ta@b\tThu, 01 Jan 2026 12:00:00 +0000\n.\n",
        ),
        ("over-many-tabs", "\tmore\tmore\tmore"),
        ("over-nul", "\0"),
        ("over-empty", "224 overview follows\n\n\n.\n"),
        ("over-no-number", "\nNumber 1\ta@b"),
        ("over-wrong-bytes", "\t-99999999999999999999\t"),
        ("wrong-number", "220 3 <2@x>\n"),
        ("wrong-id", "220 2 <another@localhost>\n"),
        ("other-article", "220 2 <2@x>\nSubject: Another article\n"),
        ("login-loop", "480 log in first\n480 "),
        ("tls-loop", "483 TLS is needed\n483 "),
        ("early-replies", "281 welcome\n211 1 1 1 early\n"),
        ("long-lines", "xxxxxxxxxx\n"),
    ] {
        let said = talk(&flawed(flaw), &lines);
        assert!(said.contains(shows), "{flaw}: {said}");
        assert!(!usual.contains(shows), "{flaw}");
    }
    let cut = talk(
        &flawed("no-final-dot"),
        &["GROUP misc.test", "BODY 1", "STAT 1"],
    );
    assert_eq!(cut, "211 2 1 2 misc.test\n222 1 <1@x>\n..\nbody\n");
    let cut = talk(
        &flawed("cut-body=2"),
        &["GROUP misc.test", "BODY 1", "ARTICLE 2", "STAT 1"],
    );
    assert!(
        cut.contains("..\nbody\n.\n220 2 <2@x>\nFrom: a@b\n") && !cut.contains("Path"),
        "{cut}"
    );
}

#[test]
fn rules_decide_now_and_then() {
    for (rule, said_so) in [
        ("stat=2 reply=430 No", "223 1 <1@x>\n430 No\n223 1 <1@x>\n"),
        (
            "stat=<2@x> count=1 reply=430 No",
            "223 1 <1@x>\n430 No\n223 1 <1@x>\n",
        ),
        (
            "stat after=2 reply=400 Bye",
            "223 1 <1@x>\n223 2 <2@x>\n400 Bye\n",
        ),
        ("stat=2 drop", "223 1 <1@x>\n"),
        (
            "group reply=480 Log in",
            "480 Log in\n412 no newsgroup selected\n",
        ),
    ] {
        let said = talk(
            &ruled(rule),
            &["GROUP misc.test", "STAT 1", "STAT 2", "STAT 1"],
        );
        assert!(said.contains(said_so), "{rule}: {said}");
    }
    let whole = ruled("capabilities reply=101 Here\\nVERSION 2\\n.");
    assert_eq!(talk(&whole, &["CAPABILITIES"]), "101 Here\nVERSION 2\n.\n");
    assert_eq!(
        said(&ruled("connect reply=400 Later"), &["DATE"]),
        "400 Later\n"
    );
}

/// Wherever the client stops, the server has said the beginning of what it says to the whole, and
/// nothing that was cut off became an article.
#[test]
fn every_prefix_of_a_conversation_is_survived() {
    let whole = format!(
        "GROUP misc.test\r\nOVER 1-\r\nARTICLE <1@x>\r\nPOST\r\n{ARTICLE}\r\n\r\n..\r\n.\r\n\
        AUTHINFO USER a\r\nAUTHINFO PASS b\r\nLIST ACTIVE *,!x\r\nHDR :lines 1-9\r\nQUIT\r\n"
    );
    let heard = |text: &str| {
        let news = news();
        let memory = Memory::new(text);
        let said = memory.said();
        let mut peer = Peer::over(memory);
        let _ = news.serve(&mut peer, 1);
        let _ = peer.flush();
        (said.bytes(), news.posted().len())
    };
    let (all, _) = heard(&whole);
    let end_of_article = whole.find("\r\n.\r\n").unwrap() + 5;
    for length in 0..whole.len() {
        let (part, posted) = heard(&whole[..length]);
        assert!(all.starts_with(&part), "{length}");
        assert_eq!(posted, usize::from(length >= end_of_article), "{length}");
    }
}
