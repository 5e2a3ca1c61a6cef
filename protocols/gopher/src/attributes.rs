//! What a Gopher+ server knows of an item (Gopher+ section 2.5).
//!
//! ```text
//! +INFO: 0About us<TAB>selector<TAB>host<TAB>70<TAB>+
//! +ADMIN:
//!  Admin: Bozo <bozo@clown.edu>
//! +VIEWS:
//!  Text/plain: <10k>
//! ```

use crate::menu::text;

/// An attribute: a name, what stands behind it, and the lines below. All of it is the server's text,
/// and not harmless on a terminal before it is escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name in capitals, without `+`: `INFO`, `ADMIN`, `VIEWS`, `ABSTRACT`.
    pub name: String,
    /// What stands on the same line.
    pub value: String,
    /// The lines that belong to it, without the space that they begin with.
    pub lines: Vec<String>,
}

/// Attributes as their lines come. Their number is bounded by whoever reads the lines.
#[derive(Debug, Default)]
pub(crate) struct Attributes(Vec<Attribute>);

impl Attributes {
    /// `"+" name ":" [SP value]`, or a line that belongs to the attribute before. What comes before
    /// the first attribute, and the dot at the end, belong to none.
    pub(crate) fn add(&mut self, line: &[u8]) {
        let line = text(line);
        match (
            line.strip_prefix('+').and_then(|rest| rest.split_once(':')),
            self.0.last_mut(),
        ) {
            (Some((name, value)), _) => self.0.push(Attribute {
                name: name.trim().to_ascii_uppercase(),
                value: value.trim().to_owned(),
                lines: Vec::new(),
            }),
            (None, Some(last)) if line != "." => {
                last.lines
                    .push(line.strip_prefix(' ').unwrap_or(&line).to_owned());
            }
            _ => {}
        }
    }

    pub(crate) fn into_all(self) -> Vec<Attribute> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_gopher_plus() {
        let mut attributes = Attributes::default();
        for line in [
            "stray",
            "+INFO: 0Some file\tselector\thost\t70\t+",
            "+ADMIN:",
            " Admin: Frodo Gophermeister <fng@bogus.edu>",
            " Mod-Date: Wed Jul 28 17:02:01 1993 <19930728170201>",
            "+views:",
            " Text/plain: <10k>",
            "",
            ".",
        ] {
            attributes.add(line.as_bytes());
        }
        let all = attributes.into_all();
        let names: Vec<&str> = all.iter().map(|found| found.name.as_str()).collect();
        assert_eq!(names, ["INFO", "ADMIN", "VIEWS"]);
        assert_eq!(all[0].value, "0Some file\tselector\thost\t70\t+");
        assert_eq!(
            all[1].lines[0],
            "Admin: Frodo Gophermeister <fng@bogus.edu>"
        );
        assert_eq!(all[2].lines, ["Text/plain: <10k>", ""]);
    }
}
