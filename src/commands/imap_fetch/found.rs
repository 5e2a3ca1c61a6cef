//! A message as the server describes it.

use std::time::SystemTime;

use proto_imap::{Attributes, Flag};
use serde_json::{json, Value};
use time::format_description::well_known::Rfc3339;
use time::OffsetDateTime;

use crate::fetching::Message;
use crate::imap::flag_names;

/// What the server says of a message beside its content.
#[derive(Debug, Clone)]
pub struct Found {
    pub validity: u32,
    pub uid: u32,
    /// Its octets: a hint.
    pub size: Option<u64>,
    pub flags: Vec<Flag>,
    /// When it came.
    pub date: Option<OffsetDateTime>,
}

impl Found {
    /// What is known so far.
    pub fn new(validity: u32, uid: u32, attributes: &Attributes) -> Found {
        Found {
            validity,
            uid,
            size: attributes.size,
            flags: attributes.flags.clone().unwrap_or_default(),
            date: attributes.internal_date,
        }
    }

    /// When it came, as file systems have it.
    pub fn time(&self) -> Option<SystemTime> {
        self.date.map(SystemTime::from)
    }

    /// The letters of its flags in a Maildir (cr.yp.to/proto/maildir.html).
    pub fn letters(&self) -> String {
        let letter = |flag: &Flag| match flag.as_str().to_ascii_lowercase().as_str() {
            "\\seen" => Some('S'),
            "\\answered" => Some('R'),
            "\\flagged" => Some('F'),
            "\\draft" => Some('D'),
            "\\deleted" => Some('T'),
            "$forwarded" => Some('P'),
            _ => None,
        };
        self.flags.iter().filter_map(letter).collect()
    }
}

impl Message for Found {
    fn row(&self, result: &str, told: &str) -> String {
        let size = self.size.map_or_else(String::new, |size| size.to_string());
        let row = format!("{result:10}  {:10}  {size:>9}  {told}", self.uid);
        row.trim_end().to_owned()
    }

    fn item(&self, result: &str) -> Value {
        json!({
            "result": result,
            "uid": self.uid,
            "uid_validity": self.validity,
            "size": self.size,
            "flags": flag_names(&self.flags),
            "internal_date": self.date.and_then(|date| date.format(&Rfc3339).ok()),
        })
    }
}
