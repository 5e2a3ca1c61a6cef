//! What may be told of us. Nothing is told that is not in here, whatever is asked for.

use proto_transport::{Error, Result};

/// The size of a window in characters; 0 is unknown (RFC 1073).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How many characters a line has.
    pub columns: u16,
    /// How many lines there are.
    pub rows: u16,
}

/// What may be told of us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    types: Vec<String>,
    variables: Vec<(String, String)>,
    /// The size of the window, if there is one.
    pub window: Option<Window>,
    /// Whether to ask for eight bits both ways at once (RFC 856).
    pub asks_binary: bool,
}

/// Characters of a terminal's name at most (RFC 1091, which takes the rules of RFC 1010).
const LONGEST_TYPE: usize = 40;

/// Bytes of a variable's name and of its value at most: with it, a list of a few stays within what
/// anybody keeps of a sub-negotiation.
const LONGEST_VARIABLE: usize = 1024;

impl Settings {
    /// A name of the terminal. Of several, the server takes the first that it knows.
    pub fn add_type(&mut self, name: &str) -> Result<()> {
        let is_right = !name.is_empty()
            && name.len() <= LONGEST_TYPE
            && name.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_right {
            return Err(Error::illegal(format!(
                "the type of a terminal is 1 to {LONGEST_TYPE} characters of ASCII without spaces, unlike {name:?}"
            )));
        }
        self.types.push(name.to_owned());
        Ok(())
    }

    /// A variable that the server may know.
    pub fn add_variable(&mut self, name: &str, value: &str) -> Result<()> {
        let wrong = |why: &str| Err(Error::illegal(format!("the variable {name:?} {why}")));
        if name.is_empty() || name.contains('=') || name.starts_with('-') {
            return wrong("has a name that is none");
        }
        if name.chars().chain(value.chars()).any(char::is_control) {
            return wrong("holds a control character");
        }
        if name.len() > LONGEST_VARIABLE || value.len() > LONGEST_VARIABLE {
            return wrong("is longer than 1,024 bytes");
        }
        // Servers have handed the name to login(1) as one of its options (CVE-2026-24061).
        if name == "USER" && value.starts_with('-') {
            return wrong("begins with -, which a server might take for an option");
        }
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// The names of the terminal, best first.
    pub fn types(&self) -> &[String] {
        &self.types
    }

    /// The variables that the server may know.
    pub fn variables(&self) -> &[(String, String)] {
        &self.variables
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_could_misread_is_refused() {
        let mut settings = Settings::default();
        for wrong in ["", "a b", "a\u{ff}", "a\r", "ü", &"x".repeat(41)] {
            assert!(settings.add_type(wrong).is_err(), "{wrong:?}");
        }
        assert!(settings.add_type(&"x".repeat(40)).is_ok());
        for (name, value) in [
            ("", ""),
            ("a=b", ""),
            ("-f", ""),
            ("a\n", ""),
            ("a", "b\r"),
            ("a", "\0"),
            ("a", "\u{1}"),
            ("a", "\u{9b}"),
            ("USER", "-froot"),
            ("a", &"x".repeat(1025)),
        ] {
            assert!(settings.add_variable(name, value).is_err(), "{name:?}");
        }
        assert!(settings.variables().is_empty());
        settings.add_variable("LANG", "-x").unwrap();
        settings.add_variable("LANG", "de").unwrap();
        assert_eq!(settings.variables(), [("LANG".to_owned(), "de".to_owned())]);
    }
}
