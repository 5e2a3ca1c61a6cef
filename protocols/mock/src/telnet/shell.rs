//! What is said to a command.

use std::time::Duration;

use super::facts::Facts;
use crate::fault::Fault;

/// What is said to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Lines that end in LF here.
    Text(String),
    /// Bytes as they are.
    Bytes(Vec<u8>),
    /// So many lines, made while they are sent.
    Lines(u64),
    /// Nothing, after a while.
    Sleep(Duration),
    Exit,
}

/// What a command is, and what it does.
pub(super) const HELP: &str = "\
echo TEXT    says it again
size         the size of your window
term         what your terminal is called
env          the variables that you told
options      what is in force, by number
bytes        bytes that travel in another form
fill N       N lines
sleep TIME   nothing for so long (200ms, 2s)
exit         hangs up
";

/// What is said to a line.
pub(super) fn answer(line: &str, facts: &Facts) -> Answer {
    let (command, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    let unknown = || "unknown\n".to_owned();
    match command {
        "" => Answer::Text(String::new()),
        "echo" => Answer::Text(format!("{rest}\n")),
        "size" => Answer::Text(match facts.window {
            Some((columns, rows)) => format!("{columns} x {rows}\n"),
            None => unknown(),
        }),
        "term" => Answer::Text(match &facts.terminal {
            Some(name) => format!("{name}\n"),
            None => unknown(),
        }),
        "env" => Answer::Text(variables(facts)),
        "options" => Answer::Text(format!(
            "you do: {}\nwe do: {}\n",
            list(&facts.does),
            list(&facts.wants)
        )),
        "bytes" => Answer::Bytes(b"ff:\xff\xff cr:\r\0 utf8:\xc3\xbc end\r\n".to_vec()),
        "fill" => Answer::Lines(rest.parse().unwrap_or(1000)),
        "sleep" => Answer::Sleep(time(rest)),
        "help" | "?" => Answer::Text(HELP.to_owned()),
        "exit" | "logout" | "quit" => Answer::Exit,
        other => Answer::Text(format!("unknown command: {other}\n")),
    }
}

/// A time as in faults and rules.
fn time(text: &str) -> Duration {
    match format!("delay={text}").parse() {
        Ok(Fault::Delay(time)) => time,
        _ => Duration::ZERO,
    }
}

fn variables(facts: &Facts) -> String {
    if facts.variables.is_empty() {
        return "nothing\n".to_owned();
    }
    let lines = facts.variables.iter().map(|(name, value)| match value {
        Some(value) => format!("{name}={value}\n"),
        None => format!("{name} is not set\n"),
    });
    lines.collect()
}

fn list(codes: &[u8]) -> String {
    let names: Vec<String> = codes.iter().map(u8::to_string).collect();
    names.join(" ")
}
