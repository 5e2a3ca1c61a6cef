//! Address lists of header fields (RFC 5322 section 3.4), as ENVELOPE tells them.

/// One of a list. A group begins with one that has only a mailbox, its name, and ends with one that
/// has nothing (RFC 9051 section 7.5.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Address {
    pub name: Option<Vec<u8>>,
    pub mailbox: Option<Vec<u8>>,
    pub host: Option<Vec<u8>>,
}

/// How many addresses of one field are read.
const ADDRESSES: usize = 10_000;

/// The addresses of a field, as far as it has any.
pub(super) fn addresses(field: &[u8]) -> Vec<Address> {
    let mut list = Vec::new();
    let mut words = Words::default();
    for token in tokens(field) {
        if list.len() >= ADDRESSES {
            break;
        }
        match token {
            Token::Special(b',') => list.extend(words.take()),
            Token::Special(b':') if words.angle.is_none() => {
                let name = std::mem::take(&mut words).joined(b" ");
                list.push(Address {
                    mailbox: Some(name),
                    ..Address::default()
                });
                words.is_group = true;
            }
            Token::Special(b';') => {
                let is_group = words.is_group;
                list.extend(words.take());
                if is_group {
                    list.push(Address::default());
                }
                words.is_group = false;
            }
            Token::Special(b'<') => words.angle = Some(Vec::new()),
            Token::Special(b'>') => words.is_closed = true,
            Token::Comment(text) => words.comment = Some(text),
            Token::Special(byte) => words.push(vec![byte]),
            Token::Word(word) => words.push(word),
        }
    }
    list.extend(words.take());
    list
}

/// What is read of one address.
#[derive(Default)]
struct Words {
    plain: Vec<Vec<u8>>,
    /// Inside `<` and `>`.
    angle: Option<Vec<Vec<u8>>>,
    is_closed: bool,
    comment: Option<Vec<u8>>,
    is_group: bool,
}

impl Words {
    fn push(&mut self, word: Vec<u8>) {
        match &mut self.angle {
            Some(angle) if !self.is_closed => angle.push(word),
            _ => self.plain.push(word),
        }
    }

    fn joined(&self, between: &[u8]) -> Vec<u8> {
        self.plain.join(between)
    }

    fn take(&mut self) -> Option<Address> {
        let is_group = self.is_group;
        let words = std::mem::take(self);
        self.is_group = is_group;
        let (name, address) = match &words.angle {
            Some(angle) => (Some(words.joined(b" ")), angle.concat()),
            None => (words.comment.clone(), words.plain.concat()),
        };
        if address.is_empty() && words.plain.is_empty() {
            return None;
        }
        // A route (RFC 5322 section 4.4) is nobody's business any more.
        let address = match address.iter().position(|byte| *byte == b':') {
            Some(at) if address.first() == Some(&b'@') => address.get(at + 1..)?.to_vec(),
            _ => address,
        };
        let at = address.iter().rposition(|byte| *byte == b'@');
        let (mailbox, host) = address.split_at(at.unwrap_or(address.len()));
        Some(Address {
            name: name.filter(|name| !name.is_empty()),
            mailbox: Some(mailbox.to_vec()),
            // An address without a host would be taken for a group.
            host: Some(host.get(1..).unwrap_or(b"localhost").to_vec()),
        })
    }
}

enum Token {
    Word(Vec<u8>),
    Comment(Vec<u8>),
    Special(u8),
}

fn tokens(field: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        match first {
            b' ' | b'\t' => rest = after,
            b'"' => {
                let (word, after) = enclosed(after, None, b'"');
                tokens.push(Token::Word(word));
                rest = after;
            }
            b'(' => {
                let (text, after) = enclosed(after, Some(b'('), b')');
                tokens.push(Token::Comment(text));
                rest = after;
            }
            b',' | b':' | b';' | b'<' | b'>' | b'@' => {
                tokens.push(Token::Special(*first));
                rest = after;
            }
            _ => {
                let is_end = |byte: &u8| b" \t\"(,:;<>@".contains(byte);
                let end = rest.iter().position(is_end).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                tokens.push(Token::Word(word.to_vec()));
                rest = after;
            }
        }
    }
    tokens
}

/// What is inside quotes or a comment, and what follows it.
fn enclosed(text: &[u8], open: Option<u8>, close: u8) -> (Vec<u8>, &[u8]) {
    let mut inside = Vec::new();
    let mut depth = 1;
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if *byte == b'\\' {
            inside.extend(bytes.next().map(|(_, escaped)| *escaped));
            continue;
        }
        if Some(*byte) == open {
            depth += 1;
        } else if *byte == close {
            depth -= 1;
            if depth == 0 {
                return (inside, text.get(at + 1..).unwrap_or_default());
            }
        }
        inside.push(*byte);
    }
    (inside, b"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(field: &str) -> Vec<String> {
        let text = |part: &Option<Vec<u8>>| match part {
            Some(part) => String::from_utf8_lossy(part).into_owned(),
            None => "NIL".to_owned(),
        };
        let list = addresses(field.as_bytes());
        let list = list.iter().map(|one| {
            format!(
                "{}|{}|{}",
                text(&one.name),
                text(&one.mailbox),
                text(&one.host)
            )
        });
        list.collect()
    }

    #[test]
    fn lists_are_read() {
        for (field, expected) in [
            ("a@b.c", &["NIL|a|b.c"][..]),
            ("A B <a@b>, \"C, D\" <c@d>", &["A B|a|b", "C, D|c|d"]),
            ("a@b (Ann (x))", &["Ann (x)|a|b"]),
            (
                "Us: a@b, c@d;, e@f",
                &["NIL|Us|NIL", "NIL|a|b", "NIL|c|d", "NIL|NIL|NIL", "NIL|e|f"],
            ),
            ("undisclosed:;", &["NIL|undisclosed|NIL", "NIL|NIL|NIL"]),
            ("root", &["NIL|root|localhost"]),
            ("", &[]),
            (" , <>", &[]),
        ] {
            let told = told(field);
            assert_eq!(told, expected, "{field}");
        }
    }

    #[test]
    fn no_prefix_is_too_much() {
        let field = "\"a\\\"b\" (c(d)) <@r:a@b>, g: x@y;";
        for end in 0..=field.len() {
            told(&field[..end]);
        }
    }
}
