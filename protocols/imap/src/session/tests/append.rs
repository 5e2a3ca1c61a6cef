//! Adding messages: with permission and without, one by one and ahead of the answers.

use super::*;
use std::io::{self, Read};
use time::OffsetDateTime;

/// A message that says of itself that it has so many octets.
#[derive(Clone)]
struct Text {
    content: &'static [u8],
    size: u64,
    flags: Vec<Flag>,
    date: Option<OffsetDateTime>,
    is_readable: bool,
}

impl Text {
    fn of(content: &'static str) -> Text {
        Text {
            content: content.as_bytes(),
            size: content.len() as u64,
            flags: Vec::new(),
            date: None,
            is_readable: true,
        }
    }
}

impl Draft for Text {
    fn flags(&self) -> &[Flag] {
        &self.flags
    }

    fn date(&self) -> Option<OffsetDateTime> {
        self.date
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn is_utf8(&self) -> bool {
        !self.content.is_ascii()
    }

    /// A source may give little at a time.
    fn content(&self) -> Result<Box<dyn Read + '_>> {
        struct Unreadable;
        impl Read for Unreadable {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("no"))
            }
        }
        let (first, rest) = self.content.split_at(self.content.len().min(1));
        match self.is_readable {
            true => Ok(Box::new(first.chain(rest))),
            false => Ok(Box::new(Unreadable)),
        }
    }
}

fn inbox() -> Mailbox {
    Mailbox::new("INBOX").unwrap()
}

#[test]
fn adding_a_message() {
    let (mut one, said) = session(
        "",
        "* 5 EXISTS\r\n+ go\r\na1 OK [APPENDUID 38505 3955] done\r\n",
    );
    let draft = Text {
        flags: vec![Flag::new("\\Seen").unwrap()],
        date: crate::reply::date::date_time(b"17-Jul-1996 02:44:25 -0700").ok(),
        ..Text::of("abc")
    };
    let added = one.append(&inbox(), &draft).unwrap();
    assert_eq!(added, Some((38505, 3955)));
    assert_eq!(
        said.text(),
        "a1 APPEND INBOX (\\Seen) \"17-Jul-1996 02:44:25 -0700\" {3}\r\nabc\r\n"
    );
    let (mut one, said) = session("LITERAL+", "a1 OK\r\n");
    assert_eq!(one.append(&inbox(), &Text::of("abc")).unwrap(), None);
    assert_eq!(said.text(), "a1 APPEND INBOX {3+}\r\nabc\r\n");
}

#[test]
fn a_no_ends_nothing() {
    // The answer may be there before the end of the literal.
    let (mut one, said) = session("LITERAL+", "a1 NO [TRYCREATE] none\r\na2 OK\r\n");
    let result = one.append(&inbox(), &Text::of("abc"));
    assert!(matches!(result, Err(Error::Refused { .. })));
    one.noop(&mut |_| {}).unwrap();
    let wanted = "a1 APPEND INBOX {3+}\r\nabc\r\na2 NOOP\r\n";
    assert_eq!(said.text(), wanted);
    // A no instead of + ends the command, and the session goes on (RFC 9051 section 7.6).
    let (mut one, said) = session("", "a1 NO [OVERQUOTA] full\r\na2 OK\r\n");
    let result = one.append(&inbox(), &Text::of("abc"));
    assert!(matches!(result, Err(Error::Refused { .. })));
    one.noop(&mut |_| {}).unwrap();
    assert_eq!(said.text(), "a1 APPEND INBOX {3}\r\na2 NOOP\r\n");
}

#[test]
fn what_cannot_be_read_to_its_end_breaks_it_off() {
    let short = Text {
        size: 4,
        ..Text::of("abc")
    };
    let unreadable = Text {
        is_readable: false,
        ..Text::of("abc")
    };
    for (capabilities, heard) in [("", "+ go\r\na1 OK\r\n"), ("LITERAL+", "a1 OK\r\n")] {
        for draft in [&short, &unreadable] {
            let (mut one, said) = session(capabilities, heard);
            let result = one.append(&inbox(), draft);
            assert!(matches!(
                result,
                Err(Error::Illegal { .. } | Error::Io { .. })
            ));
            // Nothing is said that could pass for the rest.
            assert!(one.noop(&mut |_| {}).is_err());
            assert!(!said.text().contains("NOOP"));
        }
    }
}

/// Otherwise the octets of a message would be taken for commands.
#[test]
fn a_server_that_changes_its_mind_changes_nothing_of_what_was_announced() {
    for (before, after, wanted) in [
        ("", "LITERAL+", "{3}\r\na3 NOOP\r\n"),
        ("LITERAL+", "", "{3+}\r\nabc\r\na3 NOOP\r\n"),
    ] {
        // It comes behind an answer, and is heard before the next command.
        let news = format!("a1 OK\r\n* CAPABILITY IMAP4rev1 {after}\r\n");
        let memory = Memory::in_pieces([news.as_str(), "a2 NO no\r\n", "a3 OK\r\n"]);
        let said = memory.said();
        let mut one = open(memory, before);
        one.noop(&mut |_| {}).unwrap();
        assert!(one.append(&inbox(), &Text::of("abc")).is_err());
        one.noop(&mut |_| {}).unwrap();
        let wanted = format!("a1 NOOP\r\na2 APPEND INBOX {wanted}");
        assert_eq!(said.text(), wanted);
    }
}

#[test]
fn go_ahead_belongs_to_its_command() {
    for heard in [
        "+ go\r\na1 OK\r\n",
        "b1 OK\r\n",
        "a2 OK\r\n",
        "a1 OK early\r\n",
    ] {
        let (mut one, said) = session("", heard);
        let result = match heard.starts_with("a1") {
            // A yes to half of a command.
            true => one.append(&inbox(), &Text::of("a")).map(|_| ()),
            false => one.noop(&mut |_| {}),
        };
        assert!(matches!(result, Err(Error::Malformed { .. })), "{heard}");
        assert!(one.noop(&mut |_| {}).is_err());
        assert_eq!(said.text().lines().count(), 1);
    }
}

/// Adds all of these; what became of each in a word.
fn add(one: &mut Session, drafts: &[Text]) -> (Vec<(usize, String)>, Result<()>) {
    struct Numbered(usize, Text);
    impl Draft for Numbered {
        fn flags(&self) -> &[Flag] {
            self.1.flags()
        }
        fn date(&self) -> Option<OffsetDateTime> {
            self.1.date()
        }
        fn size(&self) -> u64 {
            self.1.size()
        }
        fn is_utf8(&self) -> bool {
            self.1.is_utf8()
        }
        fn content(&self) -> Result<Box<dyn Read + '_>> {
            self.1.content()
        }
    }
    let mut all = Vec::new();
    let drafts = drafts.iter().cloned().enumerate();
    let drafts = drafts.map(|(number, text)| Numbered(number, text));
    let result = one.append_all(&inbox(), drafts, &mut |draft, added| {
        let word = match added {
            Added::At(place) => place.map_or(0, |(_, uid)| uid).to_string(),
            Added::Refused(_) => "refused".to_owned(),
            Added::Unknown => "unknown".to_owned(),
        };
        all.push((draft.0, word));
        Ok(())
    });
    (all, result)
}

fn words(all: &[(usize, String)]) -> String {
    let words = all.iter().map(|(number, word)| format!("{number}={word}"));
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn small_messages_run_ahead_of_their_answers() {
    // A server may answer in any order, and say what it likes in between.
    let heard = "a1 OK [APPENDUID 1 5] x\r\n* 5 EXISTS\r\na3 OK [APPENDUID 1 6] x\r\na2 NO full\r\na4 OK\r\n";
    let short = Text {
        size: 9,
        ..Text::of("d")
    };
    let drafts = [Text::of("a"), Text::of("b"), short, Text::of("c")];
    let (mut one, said) = session("LITERAL-", heard);
    let (all, result) = add(&mut one, &drafts);
    result.unwrap();
    // The third could not be read, and nothing was said of it.
    assert_eq!(words(&all), "2=refused 0=5 3=6 1=refused");
    one.noop(&mut |_| {}).unwrap();
    let one = |number, text| format!("a{number} APPEND INBOX {{1+}}\r\n{text}\r\n");
    let wanted = [one(1, "a"), one(2, "b"), one(3, "c"), "a4 NOOP\r\n".into()].concat();
    assert_eq!(said.text(), wanted);
}

#[test]
fn nothing_runs_ahead_where_literals_need_permission() {
    for (capabilities, plus) in [("", ""), ("LITERAL-", "+")] {
        let large = Text::of(LARGE);
        let heard = match plus {
            "" => "+ go\r\na1 OK\r\n+ go\r\na2 OK\r\n",
            _ => "a1 OK\r\n+ go\r\na2 OK\r\n",
        };
        let (mut one, said) = session(capabilities, heard);
        let (all, result) = add(&mut one, &[Text::of("a"), large]);
        result.unwrap();
        assert_eq!(words(&all), "0=0 1=0");
        let said = said.text();
        let wanted = format!("a1 APPEND INBOX {{1{plus}}}\r\na\r\na2 APPEND INBOX {{4097}}\r\n");
        assert!(said.starts_with(&wanted), "{said}");
    }
}

/// More than goes without permission where there is LITERAL-.
const LARGE: &str = match std::str::from_utf8(&[b'x'; 4097]) {
    Ok(text) => text,
    Err(_) => "",
};

#[test]
fn what_runs_ahead_is_bounded() {
    let answers: String = (1..=100)
        .map(|number| format!("a{number} OK\r\n"))
        .collect();
    let memory = Memory::in_pieces(answers.split_inclusive('\n'));
    let said = memory.said();
    let mut one = open(memory, "LITERAL+");
    let drafts = vec![Text::of(LARGE); 100];
    let mut answered = 0;
    let result = one.append_all(&inbox(), drafts, &mut |_, _| {
        let ahead = said.bytes().len() - answered * (4097 + 27);
        assert!(ahead < 64 * 1024 + 100 * 30, "{ahead} after {answered}");
        answered += 1;
        Ok(())
    });
    result.unwrap();
    assert_eq!(answered, 100);
}

#[test]
fn when_it_breaks_off_nobody_says_what_is_not_known() {
    for (heard, wanted) in [
        ("a1 OK\r\n", "0=0 1=unknown 2=unknown"),
        ("a2 NO full\r\n* BYE\r\n", "1=refused 0=unknown 2=unknown"),
        ("a1 OK\r\na1 OK\r\n", "0=0 1=unknown 2=unknown"),
        ("+ go\r\n", "0=unknown 1=unknown 2=unknown"),
    ] {
        let (mut one, _) = session("LITERAL+", heard);
        let (all, result) = add(&mut one, &[Text::of("a"), Text::of("b"), Text::of("c")]);
        assert!(result.is_err());
        assert_eq!(words(&all), wanted, "{heard}");
        assert!(!one.is_open());
    }
}

#[test]
fn utf8_in_headers_is_told_where_that_is_enabled() {
    let heard = "a1 OK\r\n* ENABLED UTF8=ACCEPT\r\na2 OK\r\na3 OK\r\na4 OK\r\na5 OK\r\n";
    let (mut one, said) = session("ENABLE LITERAL+", heard);
    let draft = Text::of("Subject: \u{e4}\r\n");
    one.append(&inbox(), &draft).unwrap();
    one.enable(&["UTF8=ACCEPT"]).unwrap();
    one.append(&inbox(), &Text::of("a")).unwrap();
    one.append(&inbox(), &draft).unwrap();
    let (all, result) = add(&mut one, std::slice::from_ref(&draft));
    result.unwrap();
    assert_eq!(words(&all), "0=0");
    // RFC 6855 section 4.
    assert_eq!(
        said.text(),
        "a1 APPEND INBOX {13+}\r\nSubject: \u{e4}\r\n\r\na2 ENABLE UTF8=ACCEPT\r\n\
         a3 APPEND INBOX {1+}\r\na\r\na4 APPEND INBOX UTF8 (~{13+}\r\nSubject: \u{e4}\r\n)\r\n\
         a5 APPEND INBOX UTF8 (~{13+}\r\nSubject: \u{e4}\r\n)\r\n"
    );
}
