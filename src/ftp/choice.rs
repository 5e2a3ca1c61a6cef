//! Which files of a tree are meant.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use proto_transport::{Error, Result};

/// Which files of a tree are meant.
#[derive(clap::Args)]
#[command(next_help_heading = "Choice")]
pub struct ChoiceArgs {
    /// Only files that this pattern fits: *.iso, docs/**, by name or, with a slash, by path
    /// (repeatable)
    #[arg(long, value_name = "PATTERN")]
    include: Vec<String>,
    /// No files and folders that this pattern fits (repeatable)
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
}

/// The patterns, ready to be asked.
#[derive(Default)]
pub struct Choice {
    include: Option<Patterns>,
    exclude: Option<Patterns>,
}

struct Patterns {
    names: GlobSet,
    paths: GlobSet,
}

impl Choice {
    /// Reads the patterns.
    pub fn new(args: &ChoiceArgs) -> Result<Choice> {
        Ok(Choice {
            include: Patterns::new(&args.include)?,
            exclude: Patterns::new(&args.exclude)?,
        })
    }

    /// Whether something below the root is meant. Folders are looked into whatever is included.
    pub fn takes(&self, below: &[u8], is_folder: bool) -> bool {
        let fits = |patterns: &Option<Patterns>| patterns.as_ref().map(|all| all.fit(below));
        let is_included = is_folder || fits(&self.include).unwrap_or(true);
        is_included && !fits(&self.exclude).unwrap_or(false)
    }
}

impl Patterns {
    fn new(texts: &[String]) -> Result<Option<Patterns>> {
        if texts.is_empty() {
            return Ok(None);
        }
        let (paths, names): (Vec<&String>, Vec<&String>) =
            texts.iter().partition(|text| text.contains('/'));
        Ok(Some(Patterns {
            names: set(&names)?,
            paths: set(&paths)?,
        }))
    }

    fn fit(&self, below: &[u8]) -> bool {
        let path = Path::new(OsStr::from_bytes(below));
        let name = path.file_name().unwrap_or_default();
        self.names.is_match(name) || self.paths.is_match(path)
    }
}

fn set(texts: &[&String]) -> Result<GlobSet> {
    let wrong = |error: globset::Error| Error::illegal(format!("a pattern: {error}"));
    let mut all = GlobSetBuilder::new();
    for text in texts {
        let text = text.trim_start_matches('/').trim_end_matches('/');
        let glob = GlobBuilder::new(text).literal_separator(true).build();
        all.add(glob.map_err(wrong)?);
    }
    all.build().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(include: &[&str], exclude: &[&str]) -> Choice {
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect();
        Choice::new(&ChoiceArgs {
            include: texts(include),
            exclude: texts(exclude),
        })
        .unwrap()
    }

    /// Whether it, and every folder above it, is meant.
    fn takes_all_of(choice: &Choice, below: &str, is_folder: bool) -> bool {
        let mut folders = below.match_indices('/').map(|(at, _)| &below[..at]);
        folders.all(|folder| choice.takes(folder.as_bytes(), true))
            && choice.takes(below.as_bytes(), is_folder)
    }

    #[test]
    fn names_and_paths_are_chosen() {
        for (include, exclude, below, is_folder, is_taken) in [
            (&[][..], &[][..], "a", false, true),
            (&["*.iso"], &[], "a/b.iso", false, true),
            (&["*.iso"], &[], "a/b.txt", false, false),
            (&["*.iso"], &[], "a", true, true),
            (&[], &["*.o"], "x/y.o", false, false),
            (&[], &["tmp"], "x/tmp", true, false),
            (&[], &["tmp"], "x/tmp/deep/file", false, false),
            (&[], &["/x/*.o"], "x/y.o", false, false),
            (&[], &["x/*.o"], "x/z/y.o", false, true),
            (&[], &["x/**"], "x/z/y.o", false, false),
            (&["*.c"], &["test*"], "test.c", false, false),
        ] {
            let choice = choice(include, exclude);
            let found = takes_all_of(&choice, below, is_folder);
            assert_eq!(found, is_taken, "{include:?} {exclude:?} {below}");
        }
        assert!(Choice::new(&ChoiceArgs {
            include: vec!["[".to_owned()],
            exclude: Vec::new(),
        })
        .is_err());
    }
}
