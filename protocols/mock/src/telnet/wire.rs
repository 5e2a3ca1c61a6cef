//! Bytes as they come from a client: keys, commands, options and what is said within them.

pub(super) const IAC: u8 = 255;
pub(super) const DONT: u8 = 254;
pub(super) const DO: u8 = 253;
pub(super) const WONT: u8 = 252;
pub(super) const WILL: u8 = 251;
pub(super) const SB: u8 = 250;
pub(super) const EL: u8 = 248;
pub(super) const EC: u8 = 247;
pub(super) const AYT: u8 = 246;
pub(super) const IP: u8 = 244;
pub(super) const BRK: u8 = 243;
pub(super) const SE: u8 = 240;

pub(super) const BINARY: u8 = 0;
pub(super) const ECHO: u8 = 1;
pub(super) const SGA: u8 = 3;
pub(super) const TTYPE: u8 = 24;
pub(super) const NAWS: u8 = 31;
pub(super) const NEW_ENVIRON: u8 = 39;

/// Bytes within an option that are kept.
const LONGEST: usize = 64 * 1024;

/// What a client has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Key(u8),
    Command(u8),
    /// The verb and the option.
    Option(u8, u8),
    /// The option and what was said.
    Within(u8, Vec<u8>),
}

/// Where we are between two bytes.
#[derive(Debug, Default)]
pub(super) struct Wire {
    before: Before,
    within: Vec<u8>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Before {
    #[default]
    Key,
    Iac,
    Verb(u8),
    Within,
    WithinIac,
}

impl Wire {
    /// Takes a byte; gives what it completes. What is within an option and does not end as it must
    /// is an error that tells what is wrong.
    pub fn take(&mut self, byte: u8) -> Result<Option<Item>, &'static str> {
        let (next, item) = match (self.before, byte) {
            (Before::Key, IAC) => (Before::Iac, None),
            (Before::Key, key) => (Before::Key, Some(Item::Key(key))),
            (Before::Iac, IAC) => (Before::Key, Some(Item::Key(IAC))),
            (Before::Iac, WILL..=DONT) => (Before::Verb(byte), None),
            (Before::Iac, SB) => {
                self.within.clear();
                (Before::Within, None)
            }
            (Before::Iac, command) => (Before::Key, Some(Item::Command(command))),
            (Before::Verb(verb), code) => (Before::Key, Some(Item::Option(verb, code))),
            (Before::Within, IAC) => (Before::WithinIac, None),
            (Before::WithinIac, SE) => (Before::Key, self.end()),
            (Before::Within, byte) | (Before::WithinIac, byte @ IAC) => {
                if self.within.len() < LONGEST {
                    self.within.push(byte);
                }
                (Before::Within, None)
            }
            (Before::WithinIac, _) => {
                self.before = Before::Key;
                return Err("what is said within an option does not end with IAC SE");
            }
        };
        self.before = next;
        Ok(item)
    }

    fn end(&mut self) -> Option<Item> {
        let within = std::mem::take(&mut self.within);
        let (code, rest) = within.split_first()?;
        Some(Item::Within(*code, rest.to_vec()))
    }
}

/// What is said within an option, as it travels.
pub(super) fn within(code: u8, bytes: &[u8]) -> Vec<u8> {
    let mut sent = vec![IAC, SB, code];
    for byte in bytes {
        sent.push(*byte);
        if *byte == IAC {
            sent.push(IAC);
        }
    }
    sent.extend([IAC, SE]);
    sent
}

/// The name of a verb.
pub(super) fn verb_name(verb: u8) -> &'static str {
    match verb {
        WILL => "WILL",
        WONT => "WONT",
        DO => "DO",
        _ => "DONT",
    }
}
