//! The conversation that brought a message, beside the message.
//!
//! `NAME.session` is in the form that `--transcript` records and `mock replay` plays, with what was
//! said before the first MAIL and since the last; `NAME.eml` is the message. Secrets are left out.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use proto_transport::escape::escaped;

/// What was said so far.
#[derive(Default)]
pub(super) struct Transcript {
    text: String,
    /// How much of it was said before the first message.
    opening: Option<usize>,
}

/// How long it may become. The rest is left out.
const LONGEST: usize = 256 * 1024;

/// Tells messages apart that come in one microsecond.
static MESSAGES: AtomicU64 = AtomicU64::new(1);

impl Transcript {
    /// The client said a line.
    pub fn heard(&mut self, line: &str) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        if verb.eq_ignore_ascii_case("MAIL") {
            let opening = *self.opening.get_or_insert(self.text.len());
            self.text.truncate(opening);
        }
        match (verb.eq_ignore_ascii_case("AUTH"), rest.split_once(' ')) {
            (true, Some((mechanism, _))) => self.add(&format!("C: {verb} {mechanism} (secret)")),
            _ => self.add(&format!("C: {}", escaped(line.as_bytes()))),
        }
    }

    /// The client said something that nobody should see.
    pub fn heard_secret(&mut self) {
        self.add("C: (secret)");
    }

    /// The server said this.
    pub fn said(&mut self, wire: &str) {
        for line in wire.lines() {
            self.add(&format!("S: {}", escaped(line.as_bytes())));
        }
    }

    /// Both speak TLS from now on.
    pub fn began_tls(&mut self) {
        self.add("= tls");
    }

    fn add(&mut self, line: &str) {
        if self.text.len() + line.len() < LONGEST {
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    /// Puts a message and what was said of it into a folder. `is_dotted` is how it came.
    pub fn write(
        &mut self,
        folder: &Path,
        content: &[u8],
        is_dotted: bool,
        replies: &str,
    ) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default();
        let count = MESSAGES.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{:06}-{count}", now.as_secs(), now.subsec_micros());
        fs::create_dir_all(folder)?;
        fs::write(folder.join(format!("{name}.eml")), content)?;
        self.add(&format!("C< {name}.eml"));
        if is_dotted {
            self.add("C: .");
        }
        self.said(replies);
        fs::write(folder.join(format!("{name}.session")), &self.text)
    }
}
