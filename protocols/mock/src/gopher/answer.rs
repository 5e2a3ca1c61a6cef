//! What is said to a request, and where that comes from.

use std::io::{Cursor, Read};

use proto_transport::escape::escaped;

use super::files::{self, Found};
use super::item::{is_text, Item};
use super::request::Request;
use super::{showcase, GopherServer};

/// What is said to a request.
pub(super) enum Answer {
    Menu(Box<dyn Iterator<Item = Item>>),
    Text(Box<dyn Read>),
    /// With its length, if that is known.
    Binary(Box<dyn Read>, u64),
    /// There is no such thing.
    Error(String),
}

impl Answer {
    /// The type of item that this is an answer to.
    pub fn kind(&self) -> u8 {
        match self {
            Answer::Menu(_) => b'1',
            Answer::Text(_) => b'0',
            Answer::Binary(..) => b'9',
            Answer::Error(_) => b'3',
        }
    }
}

impl GopherServer {
    /// What is said to a request.
    pub(super) fn answer(&self, request: &Request) -> Answer {
        let selector = request.selector.as_slice();
        match (selector, &self.root) {
            (b"/mock/search", _) => self.search(request),
            (b"/mock/echo", _) => {
                let search = request.search.clone().unwrap_or_default();
                text([b"You searched for: ", search.as_slice(), b"\n"].concat())
            }
            (b"/mock/text", _) => text(showcase::TEXT),
            (b"/mock/dots", _) => text(showcase::DOTS),
            (b"/mock/types", _) => menu(showcase::types()),
            (b"/mock/binary", _) => {
                Answer::Binary(Box::new(Cursor::new(showcase::binary())), showcase::BINARY)
            }
            (b"/mock/", _) => menu(showcase::main_menu()),
            (_, Some(root)) => match files::find(root, selector) {
                Some(Found::Menu(items)) => menu(items),
                Some(Found::File { kind, file, .. }) if is_text(kind) => {
                    Answer::Text(Box::new(file))
                }
                Some(Found::File { file, length, .. }) => Answer::Binary(Box::new(file), length),
                None => missing(selector),
            },
            (b"" | b"/", None) if self.generated > 0 => {
                Answer::Menu(Box::new((1..=self.generated).map(showcase::generated)))
            }
            (b"" | b"/", None) => menu(showcase::main_menu()),
            _ => match showcase::generated_text(selector, self.generated) {
                Some(made) => text(made),
                None => missing(selector),
            },
        }
    }

    /// The items whose names hold the words, in any case.
    fn search(&self, request: &Request) -> Answer {
        let words = request
            .search
            .clone()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let is_hit = move |item: &Item| {
            let name = item.name.to_ascii_lowercase();
            memchr::memmem::find(&name, &words).is_some()
        };
        match (&self.root, self.generated) {
            (Some(root), _) => menu(files::search(root, &is_hit)),
            (None, 0) => {
                let items = showcase::main_menu().into_iter();
                Answer::Menu(Box::new(items.filter(is_hit)))
            }
            (None, count) => {
                let items = (1..=count).map(showcase::generated);
                Answer::Menu(Box::new(items.filter(is_hit)))
            }
        }
    }
}

fn menu(items: Vec<Item>) -> Answer {
    Answer::Menu(Box::new(items.into_iter()))
}

fn text(text: impl Into<Vec<u8>>) -> Answer {
    Answer::Text(Box::new(Cursor::new(text.into())))
}

fn missing(selector: &[u8]) -> Answer {
    Answer::Error(format!("There is no '{}'", escaped(selector)))
}
