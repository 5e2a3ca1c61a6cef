//! The URLs that a command is given, as arguments and in a file; what is none of them is told and
//! does not stop the rest.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use proto_transport::{parse_url, Error, Result, Url};

/// More URLs than this are a mistake.
const LONGEST_LIST: u64 = 256 * 1024 * 1024;

/// What the user wants downloaded.
pub struct Wanted {
    /// What is to be downloaded, in order.
    pub urls: Arc<[Url]>,
    /// What is no URL, and why.
    pub wrong: Vec<(String, Error)>,
}

impl Wanted {
    /// Reads the arguments and, behind them, the lines of a file.
    pub fn read(arguments: &[String], list: Option<&Path>) -> Result<Wanted> {
        let mut texts = arguments.to_vec();
        if let Some(path) = list {
            let list = read_list(path)?;
            let lines = list.lines().map(str::trim);
            let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
            texts.extend(lines.map(str::to_owned));
        }
        let (mut urls, mut wrong) = (Vec::new(), Vec::new());
        for text in texts {
            match parse_url(&text, "http") {
                Ok(url) => urls.push(url),
                Err(error) => wrong.push((text, error)),
            }
        }
        Ok(Wanted {
            urls: urls.into(),
            wrong,
        })
    }
}

fn read_list(path: &Path) -> Result<String> {
    let failed = |error| Error::io(format!("reading {}", path.display()), error);
    let source: Box<dyn Read> = match path.as_os_str() == "-" {
        true => Box::new(std::io::stdin()),
        false => Box::new(fs::File::open(path).map_err(failed)?),
    };
    let mut bytes = Vec::new();
    source
        .take(LONGEST_LIST + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > LONGEST_LIST {
        return Err(Error::TooLarge {
            what: format!("{}: the list, in bytes,", path.display()),
            limit: LONGEST_LIST,
        });
    }
    // A line that is not UTF-8 is no URL, and only that line: the mark in its place makes it none.
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
}
