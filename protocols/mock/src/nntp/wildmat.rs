//! Patterns for names (RFC 3977 section 4).

/// `wildmat = wildmat-pattern *("," ["!"] wildmat-pattern)`. The last pattern that matches a name
/// decides about it, and no pattern is a no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wildmat(Vec<(bool, Vec<char>)>);

impl Wildmat {
    /// Reads one. `None` is what breaks the grammar: an empty pattern, or one with a blank, a
    /// control character or one of `[`, `\`, `]`.
    pub fn parse(text: &str) -> Option<Wildmat> {
        let patterns = text.split(',').enumerate().map(|(index, pattern)| {
            let (is_yes, pattern) = match pattern.strip_prefix('!') {
                // The first pattern has no exclamation mark.
                Some(_) if index == 0 => return None,
                Some(pattern) => (false, pattern),
                None => (true, pattern),
            };
            let is_wrong = |c: char| c <= ' ' || c == '\x7f' || "![\\]".contains(c);
            let is_right = !pattern.is_empty() && !pattern.contains(is_wrong);
            is_right.then(|| (is_yes, pattern.chars().collect()))
        });
        patterns.collect::<Option<Vec<_>>>().map(Wildmat)
    }

    /// Whether a name is meant.
    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let mut patterns = self.0.iter().rev();
        let found = patterns.find(|(_, pattern)| is_match(pattern, &name));
        found.is_some_and(|(is_yes, _)| *is_yes)
    }
}

/// `*` stands for any characters, `?` for one. When what follows a `*` does not fit, the `*` takes
/// one character more; only the last `*` ever has to, so this takes no more than pattern times name.
fn is_match(pattern: &[char], name: &[char]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(next) = name.get(seen) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at + 1, seen));
                at += 1;
            }
            Some(c) if *c == '?' || c == next => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((behind, taken)) = star else {
                    return false;
                };
                star = Some((behind, taken + 1));
                (at, seen) = (behind, taken + 1);
            }
        }
    }
    let rest = pattern.get(at..).unwrap_or_default();
    rest.iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 3977 section 4.4.
    #[test]
    fn the_last_pattern_that_matches_decides() {
        let wildmat = Wildmat::parse("a*,!*b,*c*").unwrap();
        for (name, expected) in [("aaa", true), ("abb", false), ("ccb", true), ("xxx", false)] {
            assert_eq!(wildmat.matches(name), expected, "{name}");
        }
        for (pattern, name, expected) in [
            ("a??b", "acdb", true),
            ("a??b", "a\u{20ac}\u{20ac}b", true),
            ("a??b", "ab", false),
            ("*", "", true),
            ("a.*", "a", false),
            ("*a*a*a*a*a*b", &"a".repeat(200), false),
            ("a*c*d", "abcbcd", true),
        ] {
            let wildmat = Wildmat::parse(pattern).unwrap();
            assert_eq!(wildmat.matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_no_wildmat_is_refused() {
        for wrong in [
            "", "a,", "!a", "a,!!b", "[a]", "a\\b", "a b", "a\u{7f}", ",",
        ] {
            assert_eq!(Wildmat::parse(wrong), None, "{wrong:?}");
        }
    }
}
