//! Answers to THREAD (RFC 5256 section 5): who answers whom.
//!
//! ```text
//! THREAD (2)(3 6 (4 23)(44 7 96))
//! ```

use crate::syntax::{positive, Fault, Parsed, Token, Tokens};

/// A message in its thread. A thread is a list in which answers follow what they answer, one level
/// deeper; so the longest discussion needs no recursion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threaded {
    /// The message; `None` where it is missing, and only its answers are there.
    pub uid: Option<u32>,
    /// How many messages are above it; 0 begins a thread.
    pub depth: u32,
}

/// `thread-list = "(" (thread-members / thread-nested) ")"`
pub(crate) fn parse(tokens: &mut Tokens<'_>) -> Parsed<Vec<Threaded>> {
    let mut all: Vec<Threaded> = Vec::new();
    // The depth at which each list that is open goes on, and whether it has a member yet.
    let mut open: Vec<(u32, bool)> = Vec::new();
    while let Some(token) = tokens.next()? {
        match (token, open.last_mut()) {
            (Token::Open, None) => open.push((0, false)),
            (Token::Open, Some((depth, has_member))) => {
                if !*has_member {
                    // `thread-nested` without a parent.
                    let depth_here = *depth;
                    all.push(Threaded {
                        uid: None,
                        depth: depth_here,
                    });
                    (*depth, *has_member) = (depth_here + 1, true);
                }
                let depth = *depth;
                open.push((depth, false));
            }
            (Token::Close, Some(_)) => {
                open.pop();
            }
            (Token::Atom(atom), Some((depth, has_member))) => {
                all.push(Threaded {
                    uid: Some(positive(atom)?),
                    depth: *depth,
                });
                *depth += 1;
                *has_member = true;
            }
            _ => return Err(Fault("threads are lists of numbers")),
        }
    }
    match open.is_empty() {
        true => Ok(all),
        false => Err(Fault("a list ends with )")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Parsed<String> {
        let all = parse(&mut Tokens::new(text.as_bytes()))?;
        let one = |it: &Threaded| format!("{}@{}", it.uid.unwrap_or(0), it.depth);
        Ok(all.iter().map(one).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn the_examples_of_the_rfc() {
        for (text, expected) in [
            (
                "(2)(3 6 (4 23)(44 7 96))",
                "2@0 3@0 6@1 4@2 23@3 44@2 7@3 96@4",
            ),
            ("((3)(5))", "0@0 3@1 5@1"),
            ("(166)(167)(168)", "166@0 167@0 168@0"),
            ("", ""),
        ] {
            assert_eq!(shown(text).unwrap(), expected);
        }
    }

    #[test]
    fn depth_needs_no_stack() {
        let deep = [vec![b'('; 100_000], b"1".to_vec(), vec![b')'; 100_000]].concat();
        assert!(parse(&mut Tokens::new(&deep)).is_ok());
        for wrong in ["(", "1", ")", "(x)", "(0)", "(\"1\")", "(1))"] {
            assert!(shown(wrong).is_err(), "{wrong}");
        }
    }
}
