//! Whether they ask for a password, so that the answer is not recorded.

/// Bytes of the last line that are looked at.
const LONGEST: usize = 256;

/// The last line that was heard, as far as it has come.
#[derive(Debug, Default)]
pub(crate) struct Prompt {
    line: Vec<u8>,
}

/// What programs call what nobody else should read.
const WORDS: [&str; 7] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "pin",
];

impl Prompt {
    /// Takes what was heard.
    pub fn hear(&mut self, data: &[u8]) {
        let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let last = data.rsplitn(2, is_end).next().unwrap_or_default();
        if last.len() < data.len() {
            self.line.clear();
        }
        self.line.extend_from_slice(last);
        let over = self.line.len().saturating_sub(LONGEST);
        self.line.drain(..over);
    }

    /// It was answered.
    pub fn answered(&mut self) {
        self.line.clear();
    }

    /// Whether the last line asks for a password: a word for one in it, and a colon at its end.
    pub fn asks_for_secret(&self) -> bool {
        let line = without_sequences(&String::from_utf8_lossy(&self.line).to_lowercase());
        let is_question = line.trim_end().ends_with([':', '?', '>']);
        let mut words = line.split(|c: char| !c.is_alphanumeric());
        is_question && words.any(|word| WORDS.contains(&word))
    }
}

/// A line without what gives it colours (ECMA-48 section 5.4): a letter ends each sequence.
fn without_sequences(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |line, part| {
        let end = part.find(|c: char| c.is_ascii_alphabetic());
        line + end.and_then(|end| part.get(end + 1..)).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_for_passwords_are_known() {
        for (heard, asks) in [
            (&["Password: "][..], true),
            (&["login: fred\r\nPass", "word:"], true),
            (&["Enter passphrase for key: "], true),
            (&["fred's password: "], true),
            (&["PIN> "], true),
            (&["login: "], false),
            (&["Password: ", "\r\n"], false),
            (&["Password: ", "\r\n", "$ "], false),
            (&["The password is on paper.\r\n$ "], false),
            (&["spinning: "], false),
            (&["\x1b[1;31mPassword:\x1b[0m "], true),
            (&["\x1b[31mlogin:\x1b["], false),
        ] {
            let mut prompt = Prompt::default();
            for heard in heard {
                prompt.hear(heard.as_bytes());
            }
            assert_eq!(prompt.asks_for_secret(), asks, "{heard:?}");
        }
    }

    #[test]
    fn a_long_line_is_not_kept() {
        let mut prompt = Prompt::default();
        for _ in 0..1000 {
            prompt.hear(&[b'x'; 1000]);
        }
        assert_eq!(prompt.line.len(), LONGEST);
        prompt.hear(b" password: ");
        assert!(prompt.asks_for_secret());
    }
}
