//! From bytes to data, commands and sub-negotiations. Pure, and the same at every cut.
//!
//! ```text
//! IAC IAC                     the data byte 255
//! IAC WILL|WONT|DO|DONT code  an option is negotiated
//! IAC SB code bytes IAC SE    a sub-negotiation; IAC IAC in it is the byte 255
//! IAC anything else           a command
//! CR NUL                      CR alone (RFC 854); NUL alone means nothing there
//! ```

use memchr::{memchr, memchr2};

use crate::code::{Code, Command, Verb, IAC, SB, SE};

/// Octets of a sub-negotiation that are kept. The longest that anybody needs is a list of variables.
const LONGEST: usize = 4096;

/// What the next bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token<'b> {
    /// Data; never empty.
    Data(&'b [u8]),
    /// A command.
    Command(Command),
    /// An option is negotiated.
    Negotiation(Verb, Code),
    /// Something is said within an option.
    Subnegotiation {
        /// The option.
        code: Code,
        /// What is said, with single 255s.
        bytes: Vec<u8>,
        /// Whether that is all: it was not longer than 4 KiB, and it ended as it must.
        is_whole: bool,
    },
}

/// What was seen so far.
#[derive(Debug, Default)]
pub struct Parser {
    state: State,
    /// The sub-negotiation that is going by.
    option: Option<Code>,
    bytes: Vec<u8>,
    is_too_long: bool,
    is_binary: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Data,
    Command,
    Negotiation(Verb),
    /// Behind SB: the option comes.
    Option,
    Subnegotiation,
    /// Behind an IAC in a sub-negotiation.
    SubnegotiationCommand,
}

impl Parser {
    /// Whether NUL is data like any other byte (RFC 856).
    pub fn set_binary(&mut self, is_binary: bool) {
        self.is_binary = is_binary;
    }

    /// Whether the bytes so far end in the middle of a command.
    pub fn is_inside(&self) -> bool {
        self.state != State::Data
    }

    /// The next token of `unread`, which is shortened by it; `None` when all of it is used up.
    pub fn next<'b>(&mut self, unread: &mut &'b [u8]) -> Option<Token<'b>> {
        loop {
            if self.state == State::Data {
                match self.data(unread) {
                    Some(data) => return Some(Token::Data(data)),
                    None if unread.is_empty() => return None,
                    None => continue,
                }
            }
            if self.state == State::Subnegotiation {
                self.collect(unread);
            }
            let (byte, rest) = unread.split_first()?;
            let here = *unread;
            if self.state == State::SubnegotiationCommand && !matches!(*byte, IAC | SE) {
                // It was never ended. What follows is a command all the same, or the rest of the
                // conversation would be lost in it.
                self.state = State::Command;
                match self.end(false) {
                    Some(token) => return Some(token),
                    None => continue,
                }
            }
            *unread = rest;
            if self.state == State::Command && *byte == IAC {
                self.state = State::Data;
                return here.get(..1).map(Token::Data);
            }
            if let Some(token) = self.step(*byte) {
                return Some(token);
            }
        }
    }

    /// The data at the beginning, if any. Then comes a command, a NUL that is passed over, or nothing.
    fn data<'b>(&mut self, unread: &mut &'b [u8]) -> Option<&'b [u8]> {
        let end = match self.is_binary {
            true => memchr(IAC, unread),
            false => memchr2(IAC, 0, unread),
        };
        let (data, rest) = unread.split_at_checked(end.unwrap_or(unread.len()))?;
        *unread = rest;
        if !data.is_empty() {
            return Some(data);
        }
        let (first, rest) = rest.split_first()?;
        if *first == IAC {
            self.state = State::Command;
        }
        *unread = rest;
        None
    }

    /// Takes the bytes of a sub-negotiation up to the next IAC.
    fn collect(&mut self, unread: &mut &[u8]) {
        let end = memchr(IAC, unread).unwrap_or(unread.len());
        let (bytes, rest) = unread.split_at_checked(end).unwrap_or((unread, &[]));
        self.keep(bytes);
        *unread = rest;
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LONGEST.saturating_sub(self.bytes.len());
        self.is_too_long |= bytes.len() > room;
        self.bytes.extend(bytes.iter().take(room));
    }

    fn step(&mut self, byte: u8) -> Option<Token<'static>> {
        let (next, token) = match self.state {
            State::Data => (State::Data, None),
            State::Command => self.command(byte),
            State::Negotiation(verb) => (State::Data, Some(Token::Negotiation(verb, Code(byte)))),
            State::Option if byte == IAC => (State::SubnegotiationCommand, None),
            State::Option => {
                self.option = Some(Code(byte));
                (State::Subnegotiation, None)
            }
            State::Subnegotiation => (State::SubnegotiationCommand, None),
            State::SubnegotiationCommand if byte == IAC => {
                self.keep(&[IAC]);
                (State::Subnegotiation, None)
            }
            State::SubnegotiationCommand => (State::Data, self.end(true)),
        };
        self.state = next;
        token
    }

    /// What the byte behind an IAC means.
    fn command(&mut self, byte: u8) -> (State, Option<Token<'static>>) {
        match (byte, Verb::of(byte)) {
            (_, Some(verb)) => (State::Negotiation(verb), None),
            (SB, _) => {
                self.bytes.clear();
                (self.option, self.is_too_long) = (None, false);
                (State::Option, None)
            }
            (byte, _) => (State::Data, Some(Token::Command(Command(byte)))),
        }
    }

    /// The sub-negotiation that has ended. One without an option is none.
    fn end(&mut self, is_ended: bool) -> Option<Token<'static>> {
        let bytes = std::mem::take(&mut self.bytes);
        Some(Token::Subnegotiation {
            code: self.option.take()?,
            bytes,
            is_whole: is_ended && !self.is_too_long,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokens of bytes that come in pieces of a length; data in one piece.
    fn tokens(bytes: &[u8], piece: usize) -> Vec<Token<'static>> {
        let mut parser = Parser::default();
        let mut tokens: Vec<Token<'static>> = Vec::new();
        let mut data: Vec<u8> = Vec::new();
        let leak = |data: &mut Vec<u8>| Token::Data(std::mem::take(data).leak());
        for piece in bytes.chunks(piece) {
            let mut unread = piece;
            while let Some(token) = parser.next(&mut unread) {
                match token {
                    Token::Data(more) => data.extend_from_slice(more),
                    other => {
                        if !data.is_empty() {
                            tokens.push(leak(&mut data));
                        }
                        tokens.push(match other {
                            Token::Data(_) => unreachable!(),
                            Token::Command(command) => Token::Command(command),
                            Token::Negotiation(verb, code) => Token::Negotiation(verb, code),
                            Token::Subnegotiation {
                                code,
                                bytes,
                                is_whole,
                            } => Token::Subnegotiation {
                                code,
                                bytes,
                                is_whole,
                            },
                        });
                    }
                }
            }
            assert!(unread.is_empty());
        }
        if !data.is_empty() {
            tokens.push(leak(&mut data));
        }
        tokens
    }

    fn sub(code: u8, bytes: &[u8], is_whole: bool) -> Token<'static> {
        Token::Subnegotiation {
            code: Code(code),
            bytes: bytes.to_vec(),
            is_whole,
        }
    }

    #[test]
    fn everything_is_the_same_at_every_cut() {
        let cases: [(&[u8], Vec<Token<'static>>); 10] = [
            (b"hello\r\n", vec![Token::Data(b"hello\r\n")]),
            (b"a\xff\xffb", vec![Token::Data(b"a\xffb")]),
            (b"\xff\xff\xff\xff", vec![Token::Data(b"\xff\xff")]),
            (b"a\r\0b\0c", vec![Token::Data(b"a\rbc")]),
            (
                b"a\xff\xfb\x01b",
                vec![
                    Token::Data(b"a"),
                    Token::Negotiation(Verb::Will, Code::ECHO),
                    Token::Data(b"b"),
                ],
            ),
            (
                b"\xff\xfe\xff\xff\xf6\xff\x41",
                vec![
                    Token::Negotiation(Verb::Dont, Code(255)),
                    Token::Command(Command::ARE_YOU_THERE),
                    Token::Command(Command(0x41)),
                ],
            ),
            (
                b"\xff\xfa\x18\x01\xff\xf0x",
                vec![sub(24, b"\x01", true), Token::Data(b"x")],
            ),
            (
                b"\xff\xfa\x1f\0\xff\xff\0\x18\xff\xf0",
                vec![sub(31, b"\0\xff\0\x18", true)],
            ),
            // One that is not ended, an empty one, and one without an option.
            (
                b"\xff\xfa\x18\x01\xff\xfb\x03\xff\xfa\x05\xff\xf0\xff\xfa\xff\xf0x",
                vec![
                    sub(24, b"\x01", false),
                    Token::Negotiation(Verb::Will, Code(3)),
                    sub(5, b"", true),
                    Token::Data(b"x"),
                ],
            ),
            (
                b"\xff\xfa\x18\x01\xff\xfa\x05\x01\xff\xf0",
                vec![sub(24, b"\x01", false), sub(5, b"\x01", true)],
            ),
        ];
        for (bytes, expected) in cases {
            for piece in 1..=bytes.len() {
                assert_eq!(tokens(bytes, piece), expected, "{bytes:?} by {piece}");
            }
            // No prefix is an error, and none says what is not there.
            for end in 0..bytes.len() {
                let seen = tokens(&bytes[..end], end.max(1));
                assert!(seen.len() <= expected.len(), "{bytes:?} to {end}");
            }
        }
    }

    #[test]
    fn a_subnegotiation_is_bounded() {
        let exact = [&b"\xff\xfa\x18"[..], &[b'x'; LONGEST], b"\xff\xf0y"].concat();
        assert_eq!(
            tokens(&exact, 100),
            [sub(24, &[b'x'; LONGEST], true), Token::Data(b"y")]
        );
        let long = [&b"\xff\xfa\x18"[..], &[b'x'; 1_000_000], b"\xff\xf0y"].concat();
        assert_eq!(
            tokens(&long, 100),
            [sub(24, &[b'x'; LONGEST], false), Token::Data(b"y")]
        );
    }

    #[test]
    fn nothing_is_special_in_binary() {
        let mut parser = Parser::default();
        parser.set_binary(true);
        let mut unread = &b"a\r\0b\0"[..];
        assert_eq!(
            parser.next(&mut unread),
            Some(Token::Data(&b"a\r\0b\0"[..]))
        );
    }

    #[test]
    fn it_knows_whether_it_is_inside_of_something() {
        for (bytes, inside) in [(&b"a"[..], false), (b"\xff", true), (b"\xff\xfa", true)] {
            let mut parser = Parser::default();
            let mut unread = bytes;
            while parser.next(&mut unread).is_some() {}
            assert_eq!(parser.is_inside(), inside, "{bytes:?}");
        }
    }
}
