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
    /// Lines that are not written yet.
    held: String,
    /// No row was added.
    is_empty: bool,
}

impl Rows {
    /// Rows as text or JSON. They are kept if a report is to hold them.
    pub fn new(is_json: bool, keeps: bool) -> Rows {
        Rows {
            is_json,
            keeps,
            is_quiet: false,
            items: Vec::new(),
            held: String::new(),
            is_empty: true,
        }
    }

    /// Rows that nobody sees, because stdout is taken; the report holds them.
    pub fn unseen(keeps: bool) -> Rows {
        Rows {
            is_quiet: true,
            ..Rows::new(false, keeps)
        }
    }

    /// Whether nobody sees them.
    pub fn are_unseen(&self) -> bool {
        self.is_quiet
    }

    /// Writes one; `text` is its form for people, one line, and `item` that for programs.
    pub fn add(
        &mut self,
        text: impl FnOnce() -> String,
        item: impl FnOnce() -> Value,
    ) -> Result<()> {
        self.hold(text, item)?;
        self.write()
    }

    /// Adds one that is written together with others, by the next `write`.
    pub fn hold(
        &mut self,
        text: impl FnOnce() -> String,
        item: impl FnOnce() -> Value,
    ) -> Result<()> {
        self.is_empty = false;
        let is_shown = self.is_json && !self.is_quiet;
        let item = (is_shown || self.keeps).then(item);
        match &item {
            Some(item) if is_shown => {
                let line = json_line(item).map_err(|error| failed(error.into()))?;
                self.held.push_str(&line);
            }
            _ if self.is_quiet => {}
            _ => {
                self.held.push_str(&text());
                self.held.push('\n');
            }
        }
        self.items.extend(item.filter(|_| self.keeps));
        Ok(())
    }

    /// Writes what is held.
    pub fn write(&mut self) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        io::stdout().write_all(held.as_bytes()).map_err(failed)
    }

    /// Whether no row was added yet, so that a command can begin again.
    pub fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// What the report holds.
    pub fn into_items(self) -> Vec<Value> {
        self.items
    }
}

fn failed(error: io::Error) -> Error {
    Error::io("writing to stdout", error)
}
