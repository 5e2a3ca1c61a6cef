//! Our side against everything that a server may say.

use super::*;

/// What a side answers to bytes in pieces of a length, the data that it heard, and the timeline.
fn conversation(settings: Settings, heard: &[u8], piece: usize) -> (Vec<u8>, Vec<u8>, Vec<String>) {
    let mut nvt = Nvt::new(settings);
    let (mut output, mut data, mut told) = (nvt.take_output(), Vec::new(), Vec::new());
    for piece in heard.chunks(piece) {
        nvt.hear(piece, &mut |event| {
            match event {
                Event::Data(bytes) => data.extend_from_slice(bytes),
                Event::Notice(notice) => {
                    let who = match notice.from {
                        Side::Server => "S",
                        Side::Client => "C",
                    };
                    told.push(format!("{who}: {}", notice.what));
                }
            }
            Ok(())
        })
        .unwrap();
        output.extend(nvt.take_output());
    }
    (output, data, told)
}

fn answers(settings: Settings, heard: &[u8]) -> Vec<u8> {
    let whole = conversation(settings.clone(), heard, heard.len().max(1));
    for piece in 1..heard.len() {
        assert_eq!(conversation(settings.clone(), heard, piece), whole);
    }
    whole.0
}

fn open() -> Settings {
    let mut settings = Settings::default();
    settings.add_type("xterm").unwrap();
    settings.add_variable("LANG", "de").unwrap();
    settings.window = Some(Window {
        columns: 80,
        rows: 24,
    });
    settings
}

#[test]
fn nothing_is_agreed_to_that_is_not_known() {
    let mut heard = Vec::new();
    for code in 0..=254 {
        heard.extend([255, 251, code, 255, 253, code]);
    }
    let (output, _, _) = conversation(Settings::default(), &heard, heard.len());
    let yes = |verb: u8| {
        let said = output.chunks(3).filter(|said| said[1] == verb);
        said.map(|said| said[2]).collect::<Vec<u8>>()
    };
    // TIMING-MARK is answered, and is not in force.
    assert_eq!(yes(251), [0, 3, 5, 6, 42]);
    assert_eq!(yes(253), [0, 1, 3, 25, 42]);
    let (output, _, _) = conversation(open(), &heard, heard.len());
    let willing = output.windows(2).filter(|said| said == &[255, 251]);
    assert_eq!(willing.count(), 8);
}

#[test]
fn each_option_is_answered_as_its_rfc_says() {
    for (heard, said) in [
        // What is in force already is not answered again.
        (&b"\xff\xfb\x01\xff\xfb\x01"[..], &b"\xff\xfd\x01"[..]),
        (b"\xff\xfb\x01\xff\xfc\x01", b"\xff\xfd\x01\xff\xfe\x01"),
        (b"\xff\xfc\x01\xff\xfe\x01", b""),
        // LINEMODE is refused.
        (b"\xff\xfd\x22", b"\xff\xfc\x22"),
        (b"\xff\xfd\x22\xff\xfd\x06", b"\xff\xfc\x22\xff\xfc\x06"),
        (b"\xff\xfd\x06\xff\xfd\x06", b"\xff\xfb\x06\xff\xfb\x06"),
        (
            b"\xff\xfd\x1f",
            b"\xff\xfb\x1f\xff\xfa\x1f\0\x50\0\x18\xff\xf0",
        ),
        (
            b"\xff\xfd\x18\xff\xfa\x18\x01\xff\xf0",
            b"\xff\xfb\x18\xff\xfa\x18\0xterm\xff\xf0",
        ),
        (
            b"\xff\xfd\x27\xff\xfa\x27\x01\xff\xf0",
            b"\xff\xfb\x27\xff\xfa\x27\0\x03LANG\x01de\xff\xf0",
        ),
        (
            b"\xff\xfb\x2a\xff\xfa\x2a\x01;UTF-8\xff\xf0",
            b"\xff\xfd\x2a\xff\xfa\x2a\x02UTF-8\xff\xf0",
        ),
        (
            b"\xff\xfb\x01\xff\xfd\x05\xff\xfa\x05\x01\xff\xf0",
            b"\xff\xfd\x01\xff\xfb\x05\xff\xfa\x05\0\xfd\x01\xfb\x05\xff\xf0",
        ),
        // Nothing is told within what is not in force.
        (b"\xff\xfa\x18\x01\xff\xf0\xff\xfa\x27\x01\xff\xf0", b""),
        (
            b"\xff\xfa\x05\x01\xff\xf0\xff\xfa\x2a\x01;UTF-8\xff\xf0",
            b"",
        ),
        // What was cut short is no question.
        (b"\xff\xfd\x18\xff\xfa\x18\x01\xff\xf1", b"\xff\xfb\x18"),
    ] {
        assert_eq!(answers(open(), heard), said, "{heard:?}");
    }
}

/// The rows of SECURITY.md: nothing of the environment but what was named.
#[test]
fn without_permission_nothing_is_told() {
    let asked = b"\xff\xfd\x27\xff\xfa\x27\x01\xff\xf0\xff\xfd\x18\xff\xfa\x18\x01\xff\xf0\
                  \xff\xfd\x1f\xff\xfd\x23\xff\xfd\x20\xff\xfd\x24";
    assert_eq!(
        answers(Settings::default(), asked),
        b"\xff\xfc\x27\xff\xfc\x18\xff\xfc\x1f\xff\xfc\x23\xff\xfc\x20\xff\xfc\x24"
    );
}

#[test]
fn the_types_come_one_by_one_and_the_last_twice() {
    let mut settings = open();
    settings.add_type("vt100").unwrap();
    let asked = [&b"\xff\xfd\x18"[..], &b"\xff\xfa\x18\x01\xff\xf0".repeat(4)].concat();
    let answer = answers(settings, &asked);
    let text = String::from_utf8_lossy(&answer);
    let names: Vec<&str> = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|name| !name.is_empty())
        .collect();
    assert_eq!(names, ["xterm", "vt100", "vt100", "xterm"]);
}

#[test]
fn binary_begins_and_ends_at_its_place() {
    let heard = b"a\0\xff\xfb\0b\0\xff\xfc\0c\0";
    let (output, data, told) = conversation(Settings::default(), heard, heard.len());
    assert_eq!(data, b"ab\0c");
    assert_eq!(output, b"\xff\xfd\0\xff\xfe\0");
    assert_eq!(
        told,
        [
            "S: WILL BINARY",
            "C: DO BINARY",
            "S: WONT BINARY",
            "C: DONT BINARY"
        ]
    );
    let mut settings = Settings::default();
    settings.asks_binary = true;
    let mut nvt = Nvt::new(settings);
    assert_eq!(nvt.take_output(), b"\xff\xfd\0\xff\xfb\0");
    nvt.say_text(b"\r\n\xff");
    assert_eq!(nvt.take_output(), b"\r\n\xff\xff");
    nvt.hear(b"\xff\xfd\0", &mut |_| Ok(())).unwrap();
    nvt.say_text(b"\n");
    nvt.say_keys(b"\r");
    assert_eq!(nvt.take_output(), b"\n\r");
}

#[test]
fn a_window_that_changes_is_told_once() {
    let mut nvt = Nvt::new(Settings::default());
    let size = |columns| Window { columns, rows: 24 };
    nvt.resize(size(80));
    assert_eq!(nvt.take_output(), b"");
    nvt.hear(b"\xff\xfd\x1f", &mut |_| Ok(())).unwrap();
    assert_eq!(
        nvt.take_output(),
        b"\xff\xfb\x1f\xff\xfa\x1f\0\x50\0\x18\xff\xf0"
    );
    nvt.resize(size(80));
    assert_eq!(nvt.take_output(), b"");
    nvt.resize(size(255));
    assert_eq!(nvt.take_output(), b"\xff\xfa\x1f\0\xff\xff\0\x18\xff\xf0");
}

#[test]
fn who_echoes_is_known() {
    let mut nvt = Nvt::new(Settings::default());
    assert!(!nvt.they_echo() && !nvt.they_take_characters());
    nvt.hear(b"\xff\xfb\x01\xff\xfb\x03", &mut |_| Ok(()))
        .unwrap();
    assert!(nvt.they_echo() && nvt.they_take_characters());
    nvt.hear(b"\xff\xfc\x01", &mut |_| Ok(())).unwrap();
    assert!(!nvt.they_echo());
}

#[test]
fn the_answers_to_a_circle_are_bounded() {
    for circle in [
        &b"\xff\xfb\x01\xff\xfc\x01"[..],
        b"\xff\xfd\x06",
        b"\xff\xfb\x63",
        b"\xff\xfa\x18\x01\xff\xf0",
    ] {
        let mut nvt = Nvt::new(open());
        nvt.hear(b"\xff\xfd\x18", &mut |_| Ok(())).unwrap();
        let heard = circle.repeat(1000);
        for _ in 0..1000 {
            nvt.hear(&heard, &mut |_| Ok(())).unwrap();
        }
        assert!(nvt.runs_in_a_circle(), "{circle:?}");
        assert!(nvt.take_output().len() < 20_000);
    }
    // Somebody who says something between does not run in a circle.
    let mut nvt = Nvt::new(open());
    nvt.hear(&b"\xff\xfb\x01\xff\xfc\x01x".repeat(5000), &mut |_| Ok(()))
        .unwrap();
    assert!(!nvt.runs_in_a_circle());
}

#[test]
fn the_timeline_has_both_sides_in_order() {
    let heard = b"\xff\xfd\x18x\xff\xfa\x18\x01\xff\xf0\xff\xf9\xff\xfa\x63\x1b\xff\xf0";
    let (_, _, told) = conversation(open(), heard, heard.len());
    assert_eq!(
        told,
        [
            "S: DO TERMINAL-TYPE",
            "C: WILL TERMINAL-TYPE",
            "S: SB TERMINAL-TYPE SEND",
            "C: SB TERMINAL-TYPE IS \"xterm\"",
            "S: GA",
            "S: SB 99 1b",
        ]
    );
}
