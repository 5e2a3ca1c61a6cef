//! What the server says: a code, an enhanced status code, and text.

/// A reply, of one line or several (RFC 5321 section 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    /// The enhanced status code (RFC 3463), or nothing: RFC 2034 section 4 knows none for replies
    /// that ask for more, for the greeting, and for what answers EHLO.
    pub enhanced: &'static str,
    /// For people. A line feed begins another line of the reply.
    pub text: String,
}

impl Reply {
    pub fn new(code: u16, enhanced: &'static str, text: impl Into<String>) -> Reply {
        Reply {
            code,
            enhanced,
            text: text.into(),
        }
    }

    /// Whether the command was refused, for now or for good.
    pub fn is_refusal(&self) -> bool {
        self.code >= 400
    }

    /// The reply as it is sent.
    pub fn to_wire(&self, is_enhanced: bool) -> String {
        let code = self.code;
        let mut wire = String::with_capacity(self.text.len() + 16);
        let mut lines = self.text.split('\n').peekable();
        while let Some(line) = lines.next() {
            wire.push_str(&code.to_string());
            wire.push(if lines.peek().is_some() { '-' } else { ' ' });
            if is_enhanced && !self.enhanced.is_empty() {
                wire.push_str(self.enhanced);
                wire.push(' ');
            }
            wire.push_str(line);
            wire.push_str("\r\n");
        }
        wire
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_the_codes() {
        let reply = Reply::new(550, "5.1.1", "No\nsuch user");
        assert_eq!(
            reply.to_wire(true),
            "550-5.1.1 No\r\n550 5.1.1 such user\r\n"
        );
        assert_eq!(reply.to_wire(false), "550-No\r\n550 such user\r\n");
        assert_eq!(Reply::new(354, "", "Go").to_wire(true), "354 Go\r\n");
    }
}
