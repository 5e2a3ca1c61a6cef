//! A script file, read line by line. What is wrong is told with its line.
//!
//! ```text
//! script    = *( blank / comment / statement )
//! statement = *WSP word [ 1*WSP rest ]
//! ```

use std::iter::Peekable;
use std::vec::IntoIter;

use proto_transport::escape::escaped;
use proto_transport::{Error, Result};
use regex::bytes::RegexBuilder;

use super::text::Text;
use super::{Action, Branch, Pattern, Script, Step};
use crate::units::duration;

/// How far blocks may stand in each other; nobody could follow more.
const DEPTH: usize = 16;

/// A line that says something.
struct Line<'t> {
    number: usize,
    /// The white space before it.
    indent: &'t str,
    word: &'t str,
    rest: &'t str,
}

type Lines<'t> = Peekable<IntoIter<Line<'t>>>;

struct Parser<'n> {
    name: &'n str,
    /// The names that a text may use: those that are given, and those of groups so far.
    known: Vec<String>,
    depth: usize,
}

impl Script {
    /// Reads a script. `name` is that of its file; `given` are the names that its texts may use
    /// besides those of its groups.
    pub fn parse(name: &str, text: &str, given: &[&str]) -> Result<Script> {
        let lines: Vec<Line<'_>> = text.lines().enumerate().filter_map(line).collect();
        let mut parser = Parser {
            name,
            known: given.iter().map(|&name| name.to_owned()).collect(),
            depth: 0,
        };
        let mut lines = lines.into_iter().peekable();
        let steps = parser.block(&mut lines, "")?;
        if steps.is_empty() {
            return Err(Error::illegal(format!("{name} holds no statement")));
        }
        Ok(Script {
            name: name.to_owned(),
            steps,
        })
    }
}

/// A line in its parts; nothing for one that says nothing.
fn line((index, text): (usize, &str)) -> Option<Line<'_>> {
    let said = text.trim();
    if said.is_empty() || said.starts_with('#') {
        return None;
    }
    let indent = text.split_at(text.len() - text.trim_start().len()).0;
    let (word, rest) = said.split_once([' ', '\t']).unwrap_or((said, ""));
    Some(Line {
        number: index + 1,
        indent,
        word,
        rest: rest.trim(),
    })
}

impl Parser<'_> {
    fn wrong(&self, line: usize, why: impl std::fmt::Display) -> Error {
        Error::illegal(format!("{}, line {line}: {why}", self.name))
    }

    /// The statements that stand as far in as this.
    fn block(&mut self, lines: &mut Lines<'_>, indent: &str) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        while let Some(line) = lines.next_if(|line| line.indent.len() >= indent.len()) {
            if line.indent != indent {
                let why = "it stands further in than the line before, and only what is below an else does";
                return Err(self.wrong(line.number, why));
            }
            let number = line.number;
            let action = match line.word {
                "expect" => self.expect(&line, lines)?,
                _ => self.action(&line)?,
            };
            steps.push(Step {
                line: number,
                action,
            });
        }
        Ok(steps)
    }

    fn action(&self, line: &Line<'_>) -> Result<Action> {
        let takes_text = matches!(line.word, "send" | "fail" | "timeout" | "pause");
        match line.rest {
            "" if takes_text && line.word != "send" => {
                return Err(self.wrong(line.number, format!("what does it {}?", line.word)))
            }
            rest if !takes_text && !rest.is_empty() && matches!(line.word, "close" | "done") => {
                return Err(self.wrong(line.number, format!("{} stands alone", line.word)))
            }
            _ => {}
        }
        Ok(match line.word {
            "send" => Action::Send(self.text(line)?),
            "fail" => Action::Fail(self.text(line)?),
            "timeout" => Action::Timeout(self.time(line)?),
            "pause" => Action::Pause(self.time(line)?),
            "close" => Action::Close,
            "done" => Action::Done,
            "else" => return Err(self.wrong(line.number, "else without an expect before it")),
            word => {
                let why = format!(
                    "there is no statement {:?}; there are expect, else, send, timeout, pause, close, fail and done",
                    escaped(word.as_bytes())
                );
                return Err(self.wrong(line.number, why));
            }
        })
    }

    fn text(&self, line: &Line<'_>) -> Result<Text> {
        let text = Text::parse(line.rest).map_err(|why| self.wrong(line.number, why))?;
        let mut names = text.names();
        let unknown = names.find(|&name| !self.known.iter().any(|known| known == name));
        let why = unknown.map(|name| format!("nothing before this line is called ${{{name}}}"));
        drop(names);
        match why {
            Some(why) => Err(self.wrong(line.number, why)),
            None => Ok(text),
        }
    }

    fn time(&self, line: &Line<'_>) -> Result<std::time::Duration> {
        duration(line.rest).map_err(|why| self.wrong(line.number, why))
    }

    /// An `expect` with each `else` that belongs to it.
    fn expect(&mut self, line: &Line<'_>, lines: &mut Lines<'_>) -> Result<Action> {
        let pattern = self.pattern(line)?;
        let mut branches: Vec<Branch> = Vec::new();
        let is_mine = |next: &Line<'_>| next.word == "else" && next.indent == line.indent;
        while let Some(next) = lines.next_if(is_mine) {
            if branches.last().is_some_and(|last| last.pattern.is_none()) {
                let why = "nothing comes behind an else without a regular expression";
                return Err(self.wrong(next.number, why));
            }
            let pattern = match next.rest {
                "" => None,
                _ => Some(self.pattern(&next)?),
            };
            let steps = self.below(&next, lines)?;
            branches.push(Branch { pattern, steps });
        }
        Ok(Action::Expect(pattern, branches))
    }

    /// What stands below an `else`.
    fn below(&mut self, line: &Line<'_>, lines: &mut Lines<'_>) -> Result<Vec<Step>> {
        let indent = match lines.peek() {
            Some(next) if next.indent.len() > line.indent.len() => next.indent,
            _ => return Ok(Vec::new()),
        };
        if !indent.starts_with(line.indent) {
            return Err(self.wrong(line.number + 1, "tabs and spaces are mixed before it"));
        }
        if self.depth == DEPTH {
            return Err(self.wrong(
                line.number,
                format!("{DEPTH} else in each other are enough"),
            ));
        }
        self.depth += 1;
        let steps = self.block(lines, indent);
        self.depth -= 1;
        steps
    }

    fn pattern(&mut self, line: &Line<'_>) -> Result<Pattern> {
        let text = line.rest;
        let between = text
            .strip_prefix('/')
            .and_then(|text| text.strip_suffix('/'));
        let text = between.unwrap_or(text);
        if text.is_empty() {
            return Err(self.wrong(line.number, "expect what?"));
        }
        let regex = RegexBuilder::new(text)
            .multi_line(true)
            .crlf(true)
            .build()
            .map_err(|error| self.wrong(line.number, told(&error)))?;
        let names = regex.capture_names().enumerate().skip(1);
        let groups: Vec<(usize, String)> = names
            .map(|(number, name)| {
                (
                    number,
                    name.map_or_else(|| number.to_string(), str::to_owned),
                )
            })
            .collect();
        self.known
            .extend(groups.iter().map(|(_, name)| name.clone()));
        Ok(Pattern { regex, groups })
    }
}

/// What is wrong with a regular expression, in one line: the last one says it.
fn told(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default().trim();
    let last = last.strip_prefix("error: ").unwrap_or(last);
    format!("the regular expression is wrong: {last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Script> {
        Script::parse("x.script", text, &["user"])
    }

    /// The steps in short, with what stands below an else in brackets.
    fn shape(steps: &[Step]) -> String {
        let shapes: Vec<String> = steps.iter().map(shape_of).collect();
        shapes.join(" ")
    }

    fn shape_of(step: &Step) -> String {
        let line = step.line;
        match &step.action {
            Action::Expect(pattern, branches) => {
                let mut shape = format!("{line}:expect{pattern}");
                for branch in branches {
                    let pattern = branch.pattern.as_ref().map(ToString::to_string);
                    let pattern = pattern.unwrap_or_default();
                    shape += &format!(" else{pattern}[{}]", super::tests::shape(&branch.steps));
                }
                shape
            }
            Action::Send(text) => format!("{line}:send<{}>", lossy(text)),
            Action::Fail(text) => format!("{line}:fail<{}>", lossy(text)),
            Action::Timeout(time) => format!("{line}:timeout {time:?}"),
            Action::Pause(time) => format!("{line}:pause {time:?}"),
            Action::Close => format!("{line}:close"),
            Action::Done => format!("{line}:done"),
        }
    }

    fn lossy(text: &Text) -> String {
        String::from_utf8_lossy(&text.bytes(|_| b"*")).into_owned()
    }

    #[test]
    fn statements_and_what_is_below_them() {
        let script = parse(
            "# a comment\n\n\
             timeout 5s\r\n\
             expect /^220 (?<host>\\S+) /\n\
             else ^4\n\
             \tfail busy\n\
             else\n\
             \t# nothing\n\
             \tsend QUIT\n\
             \texpect x\n\
             \telse\n\
             \t  done\n\
             \tclose\n\
             send \"a ${host} ${user} \"\n\
             send\n\
             pause 200ms\n",
        );
        assert_eq!(
            shape(&script.unwrap().steps),
            "3:timeout 5s 4:expect/^220 (?<host>\\S+) / else/^4/[6:fail<busy>] \
             else[9:send<QUIT> 10:expect/x/ else[12:done] 13:close] 14:send<a * * > 15:send<> 16:pause 200ms"
        );
    }

    #[test]
    fn an_else_may_be_empty() {
        let script = parse("expect a\nelse b\nelse\nexpect c").unwrap();
        assert_eq!(
            shape(&script.steps),
            "1:expect/a/ else/b/[] else[] 4:expect/c/"
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, why) in [
            ("", "x.script holds no statement"),
            ("# only this", "holds no statement"),
            ("\nsay x", "x.script, line 2: there is no statement \"say\""),
            ("\x1b[2J", "there is no statement \"\\\\x1b[2J\""),
            ("expect", "line 1: expect what?"),
            ("expect //", "expect what?"),
            (
                "expect (",
                "line 1: the regular expression is wrong: unclosed group",
            ),
            ("expect (?<a>x)(?<a>y)", "duplicate capture group name"),
            ("expect \\w{1000}{1000}", "size limit"),
            ("else x", "line 1: else without an expect"),
            ("expect a\nsend b\nelse", "line 3: else without an expect"),
            (
                "expect a\nelse\nelse b",
                "line 3: nothing comes behind an else",
            ),
            ("  send x", "line 1: it stands further in"),
            ("send x\n  send y", "line 2: it stands further in"),
            ("expect a\n  send y", "line 2: it stands further in"),
            (
                "expect a\nelse\n    send x\n  send y",
                "line 4: it stands further in",
            ),
            (" \n\texpect a", "it stands further in"),
            (
                "expect a\nelse\n  expect b\n  else\n\t\t\tsend x",
                "line 5: tabs and spaces",
            ),
            ("timeout soon", "line 1: a time looks like"),
            ("timeout", "what does it timeout?"),
            ("fail", "what does it fail?"),
            ("done now", "done stands alone"),
            ("send \\q", "line 1: there is no escape \\q"),
            (
                "send ${host}\nexpect (?<host>.)",
                "line 1: nothing before this line is called ${host}",
            ),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text:?}: {error}");
            assert!(!error.contains(['\n', '\x1b']), "{error:?}");
        }
    }

    #[test]
    fn blocks_have_a_limit() {
        let nested = |depth: usize| -> String {
            let level = |level| format!("{0}expect a\n{0}else\n", " ".repeat(level));
            (0..depth).map(level).collect()
        };
        assert!(parse(&(nested(DEPTH) + &" ".repeat(DEPTH) + "done")).is_ok());
        let error = parse(&nested(DEPTH + 2)).unwrap_err().to_string();
        assert!(error.contains("are enough"), "{error}");
    }

    #[test]
    fn every_prefix_is_read_or_told() {
        let text = "timeout 5s\nexpect (?<a>x)\nelse y\n  fail ${a}\\x41\nsend a\\c\n";
        for end in 0..=text.len() {
            if let Err(error) = parse(&text[..end]) {
                assert!(error.to_string().starts_with("x.script"), "{error}");
            }
        }
    }
}
