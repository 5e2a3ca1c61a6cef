//! Rows on stdout, as text or JSON, which the report holds too.

use std::io::{self, Write};

use proto_transport::{Error, Result};
use serde_json::Value;

use crate::report::json_line;

/// The rows of a command.
pub struct Rows {
    is_json: bool,
    keeps: bool,
    is_quiet: bool,
    items: Vec<Value>,
}

impl Rows {
    /// Rows as text or JSON. They are kept if a report is to hold them.
    pub fn new(is_json: bool, keeps: bool) -> Rows {
        Rows {
            is_json,
            keeps,
            is_quiet: false,
            items: Vec::new(),
        }
    }

    /// Rows that nobody sees, because stdout is taken; the report holds them.
    pub fn unseen(keeps: bool) -> Rows {
        Rows {
            is_quiet: true,
            ..Rows::new(false, keeps)
        }
    }

    /// Writes one; `text` is its form for people, one line.
    pub fn add(&mut self, text: impl FnOnce() -> String, item: Value) -> Result<()> {
        if !self.is_quiet {
            let line = match self.is_json {
                true => json_line(&item).map_err(|error| failed(error.into()))?,
                false => text() + "\n",
            };
            io::stdout().write_all(line.as_bytes()).map_err(failed)?;
        }
        if self.keeps {
            self.items.push(item);
        }
        Ok(())
    }

    /// What the report holds.
    pub fn into_items(self) -> Vec<Value> {
        self.items
    }
}

fn failed(error: io::Error) -> Error {
    Error::io("writing to stdout", error)
}
