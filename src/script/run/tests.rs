use super::*;

/// A peer that says what it says, whatever it is told.
#[derive(Default)]
struct Parrot {
    pieces: Vec<Vec<u8>>,
    /// Whether it hangs up when it has said everything; if not, time passes.
    hangs_up: bool,
    said: String,
}

impl Parrot {
    fn of(pieces: &[&str]) -> Parrot {
        Parrot {
            pieces: pieces
                .iter()
                .rev()
                .map(|piece| piece.as_bytes().to_vec())
                .collect(),
            ..Parrot::default()
        }
    }
}

impl Talk for Parrot {
    fn peer(&self) -> &str {
        "parrot:1"
    }

    fn say(&mut self, saying: &Saying<'_>) -> Result<()> {
        let text = String::from_utf8_lossy(saying.bytes);
        self.said += match saying.is_secret {
            true => "(secret)",
            false => &text,
        };
        self.said += if saying.ends_line { "|" } else { "" };
        Ok(())
    }

    fn hear(&mut self, _: Instant, heard: &mut Vec<u8>) -> Result<Received> {
        match self.pieces.pop() {
            Some(piece) => {
                heard.extend(piece);
                Ok(Received::Bytes)
            }
            None if self.hangs_up => Ok(Received::End),
            None => Ok(Received::Nothing),
        }
    }

    fn end_saying(&mut self) -> Result<()> {
        self.said += "<end>";
        Ok(())
    }
}

/// What was said, the rows as text, and how it ended.
fn run(parrot: &mut Parrot, script: &str) -> (String, Vec<String>, Result<()>) {
    let script = Script::parse("x.script", script, &["password"]).unwrap();
    let mut rows = Vec::new();
    let mut add = |row: Row| {
        rows.push(row.text());
        Ok(())
    };
    let mut runner = Runner::new(&script, parrot, Duration::from_secs(5), &mut add);
    runner.give("password", Secret::from("pencil"));
    let result = runner.run();
    (parrot.said.clone(), rows, result)
}

const LOGIN: &str = "expect login: $\n\
                     send fred\n\
                     expect assword: $\n\
                     send ${password}\n\
                     expect (?<prompt>[#$]) $\n\
                     else (?i)incorrect\n  fail the login of ${password} was refused\n\
                     send uptime";

const CONVERSATION: &str = "Debian\r\nlogin: Password: \r\nWelcome\r\n$ up 12 days, \x1b[2J!\r\n$ ";

#[test]
fn a_login_at_every_cut() {
    // Whoever says everything at once has no prompt at the end of what came.
    let script = "expect login: \nsend fred\nexpect assword: \nsend ${password}\n\
                  expect ^(?<prompt>[#$])\x20\nelse (?i)incorrect\n  fail refused\nsend uptime\n\
                  expect up (?<days>\\d+) days, (\\S+)\\r\nclose";
    for piece in 1..CONVERSATION.len() {
        let bytes = CONVERSATION.as_bytes().chunks(piece);
        let mut parrot = Parrot {
            pieces: bytes.rev().map(<[u8]>::to_vec).collect(),
            ..Parrot::default()
        };
        let (said, rows, result) = run(&mut parrot, script);
        result.unwrap();
        assert_eq!(said, "fred|(secret)|uptime|<end>", "{piece}");
        assert_eq!(rows, ["prompt=$", "days=12\t2=\\x1b[2J!"], "{piece}");
    }
}

#[test]
fn the_end_of_what_came_is_an_end() {
    let mut parrot = Parrot::of(&["login: ", "Password: ", "Login incorrect\r\n", "login: "]);
    let (said, rows, result) = run(&mut parrot, LOGIN);
    assert_eq!(said, "fred|(secret)|");
    assert!(rows.is_empty());
    let error = result.unwrap_err();
    assert_eq!(
        error.to_string(),
        "parrot:1: refused while running x.script, line 7: the login of (secret) was refused"
    );
}

#[test]
fn what_comes_first_decides() {
    let script = "expect b\nelse a\n  send A\n  done\nsend B";
    for (pieces, said) in [
        (&["ab"][..], "A|"),
        (&["ba"], "B|"),
        (&["x", "b", "a"], "B|"),
    ] {
        assert_eq!(run(&mut Parrot::of(pieces), script).0, said, "{pieces:?}");
    }
    // Where both begin, the first of the script.
    let script = "expect ab\nelse a\n  send A\nsend B";
    assert_eq!(run(&mut Parrot::of(&["ab"]), script).0, "B|");
}

#[test]
fn lines_begin_where_they_begin() {
    // What is used up still tells whether a line begins behind it.
    let script = "expect a\nexpect ^b\nsend yes";
    assert!(run(&mut Parrot::of(&["ab\r\n", "xb"]), script).2.is_err());
    assert_eq!(run(&mut Parrot::of(&["ab\r", "\nb"]), script).0, "yes|");
    assert_eq!(run(&mut Parrot::of(&["a\nb"]), script).0, "yes|");
}

#[test]
fn time_and_hanging_up() {
    let script = "expect (a)\nexpect no\nexpect b";
    let (_, rows, result) = run(&mut Parrot::of(&["a b\x07"]), script);
    assert_eq!(rows, ["1=a"]);
    let error = result.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }));
    let told = "while waiting for /no/ (x.script, line 2; the last that came is \" b\\x07\")";
    assert!(error.to_string().ends_with(told), "{error}");
    let mut parrot = Parrot::of(&["a"]);
    parrot.hangs_up = true;
    let error = run(&mut parrot, script).2.unwrap_err();
    let told = "the peer hung up while waiting for /no/ (x.script, line 2; nothing more came): it says no more";
    assert!(error.to_string().ends_with(told), "{error}");
}

#[test]
fn an_else_alone_is_for_what_does_not_come() {
    let script = "expect no\nelse maybe\n  send maybe\nelse\n  send \\x1b\\c\nexpect b\nsend b";
    for hangs_up in [false, true] {
        let mut parrot = Parrot::of(&["a b"]);
        parrot.hangs_up = hangs_up;
        let (said, _, result) = run(&mut parrot, script);
        result.unwrap();
        assert_eq!(said, "\x1bb|");
    }
}

#[test]
fn what_is_not_expected_is_forgotten_in_time() {
    struct Endless(usize);
    impl Talk for Endless {
        fn peer(&self) -> &str {
            "endless"
        }
        fn say(&mut self, _: &Saying<'_>) -> Result<()> {
            Ok(())
        }
        fn hear(&mut self, _: Instant, heard: &mut Vec<u8>) -> Result<Received> {
            assert!(heard.len() <= WINDOW + 10_000);
            self.0 += 1;
            match self.0 {
                100 => heard.extend_from_slice(b"\nhere\n"),
                _ => heard.resize(heard.len() + 10_000, b'x'),
            }
            Ok(Received::Bytes)
        }
        fn end_saying(&mut self) -> Result<()> {
            Ok(())
        }
    }
    let script = Script::parse("x", "expect ^here$", &[]).unwrap();
    let mut endless = Endless(0);
    let mut none = |_| Ok(());
    let runner = Runner::new(&script, &mut endless, Duration::from_secs(5), &mut none);
    runner.run().unwrap();
    assert_eq!(endless.0, 100);
}

#[test]
fn rows_are_for_people_and_for_programs() {
    let row = Row {
        values: vec![
            ("host".to_owned(), "a\tb".to_owned()),
            ("2".to_owned(), "\u{9b}".to_owned()),
        ],
    };
    assert_eq!(row.text(), "host=a\\tb\t2=\\u{9b}");
    assert_eq!(row.item(), json!({ "host": "a\tb", "2": "\u{9b}" }));
}

#[test]
fn a_group_that_took_no_part_holds_nothing() {
    let (said, rows, _) = run(
        &mut Parrot::of(&["b"]),
        "expect (?<a>a)|(?<b>b)\nsend <${a}${b}>",
    );
    assert_eq!(said, "<b>|");
    assert_eq!(rows, ["b=b"]);
}
