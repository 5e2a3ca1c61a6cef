//! Looking at the conversation: `--trace` on stderr, `--transcript` in a file.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;
use proto_transport::escape::escaped;
use proto_transport::session::{Session, Side, Step, SECRET};
use proto_transport::{hide_password, Error, Result, SessionWriter, Sink, Transcript, Words};

use crate::download::is_secret_field;
use crate::protocol::of_command;

/// What is shown and recorded.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Looking")]
pub struct LookingArgs {
    /// Show the conversation on stderr
    #[arg(long)]
    pub trace: bool,
    /// Say what each line of the conversation means, and what document says so; shows it, too
    #[arg(long)]
    pub explain: bool,
    /// Record the conversation in a file, which `proto mock replay` can play
    #[arg(long, value_name = "FILE")]
    pub transcript: Option<PathBuf>,
    /// Do not blank passwords and tokens in trace and transcript
    #[arg(long)]
    pub show_secrets: bool,
    /// Say more on stderr
    #[arg(short, long)]
    pub verbose: bool,
    /// Say nothing on stderr but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
}

impl LookingArgs {
    /// Where the conversation goes, if anywhere. `words` explain it.
    pub fn transcript(&self, words: &'static Words) -> Result<Option<Transcript>> {
        let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
        if self.trace || self.explain {
            let colour = io::stderr().is_terminal();
            let words = self.explain.then_some(words);
            sinks.push(Box::new(Trace::new(io::stderr(), colour, words)));
        }
        if let Some(path) = &self.transcript {
            let failed = |error| Error::io(format!("writing {}", path.display()), error);
            // The conversation may hold what is nobody else's business.
            let file = private(path).map_err(failed)?;
            let writer =
                SessionWriter::new(BufWriter::new(file), &command_line()).map_err(failed)?;
            sinks.push(Box::new(writer));
        }
        Ok((!sinks.is_empty()).then(|| Transcript::new(sinks, self.show_secrets)))
    }
}

fn private(path: &PathBuf) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)
}

/// The command as it was given, without secrets: the first line of a transcript.
fn command_line() -> String {
    let words = std::env::args_os().skip(1);
    let words = words.map(|word| {
        let shown = without_secrets(&word.to_string_lossy());
        shlex::try_quote(&shown).map_or_else(|_| escaped(shown.as_bytes()), Cow::into_owned)
    });
    let words: Vec<String> = words.collect();
    escaped(format!("proto {}", words.join(" ")).as_bytes())
}

/// A word of the command line as it may be recorded: without the password of a URL, which may lack
/// its scheme or stand behind an option's name, and without the value of a header field, which may
/// be a token.
fn without_secrets(word: &str) -> String {
    let (option, value) = match word.split_once('=') {
        Some((option, value)) if option.starts_with("--") => (format!("{option}="), value),
        _ => (String::new(), word),
    };
    let shown = match value.split_once(':') {
        Some((name, rest)) if !rest.starts_with("//") && is_secret_field(name) => {
            format!("{name}: {SECRET}")
        }
        _ => hide_password(value),
    };
    option + &shown
}

/// Bytes of one body that are shown.
const SHOWN: usize = 2048;

/// A conversation for a person's eyes: the session form in colours, long bodies cut.
pub struct Trace<W> {
    output: W,
    colour: bool,
    words: Option<&'static Words>,
    current: usize,
    /// Bytes of the body that is going by: seen, and not shown.
    seen: usize,
    hidden: usize,
}

impl<W: Write + Send> Trace<W> {
    /// Shows on `output`. `words` say what lines mean.
    pub fn new(output: W, colour: bool, words: Option<&'static Words>) -> Trace<W> {
        Trace {
            output,
            colour,
            words,
            current: 1,
            seen: 0,
            hidden: 0,
        }
    }

    fn show(&mut self, step: &Step) -> io::Result<()> {
        let colour = match step {
            Step::Line(Side::Client, _) | Step::Bytes(Side::Client, _) => "\x1b[36m",
            Step::Line(Side::Server, _) | Step::Bytes(Side::Server, _) => "\x1b[32m",
            _ => "\x1b[2m",
        };
        if self.colour {
            writeln!(self.output, "{colour}{step}\x1b[0m")?;
        } else {
            writeln!(self.output, "{step}")?;
        }
        match step {
            Step::Line(side, line) => self.explain(*side, line),
            _ => Ok(()),
        }
    }

    /// A comment of the session form below the line that it is about.
    fn explain(&mut self, side: Side, line: &str) -> io::Result<()> {
        let Some(word) = self.words.and_then(|words| words.of(side, line)) else {
            return Ok(());
        };
        let (start, end) = if self.colour {
            ("\x1b[2m", "\x1b[0m")
        } else {
            ("", "")
        };
        writeln!(
            self.output,
            "{start}#    {} ({}){end}",
            word.meaning, word.source
        )
    }

    fn end_body(&mut self) -> io::Result<()> {
        if self.hidden > 0 {
            writeln!(self.output, "# … and {} more bytes", self.hidden)?;
        }
        (self.seen, self.hidden) = (0, 0);
        Ok(())
    }
}

impl<W: Write + Send> Sink for Trace<W> {
    fn step(&mut self, connection: usize, step: &Step) -> io::Result<()> {
        if connection != self.current {
            self.end_body()?;
            self.current = connection;
            self.show(&Step::Connection(connection))?;
        }
        match step {
            Step::Bytes(_, bytes) => {
                if self.seen >= SHOWN {
                    self.hidden += bytes.len();
                    return Ok(());
                }
                self.seen += bytes.len();
            }
            _ => self.end_body()?,
        }
        self.show(step)
    }
}

/// Shows a session on stderr with what its lines mean, as far as its first comment tells the protocol.
pub fn explain(session: &Session) -> io::Result<()> {
    let command = session.comments.first();
    let protocol = command.and_then(|command| of_command(command));
    let words = protocol.map(|protocol| protocol.words);
    let mut trace = Trace::new(io::stderr(), io::stderr().is_terminal(), words);
    for (_, step) in &session.steps {
        trace.show(step)?;
    }
    Ok(())
}

impl<W> Drop for Trace<W> {
    fn drop(&mut self) {
        if self.hidden > 0 {
            crate::note(&format!("# … and {} more bytes", self.hidden));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_explained_below() {
        let mut output = Vec::new();
        let mut trace = Trace::new(&mut output, false, Some(&proto_pop3::WORDS));
        for (side, text) in [
            (Side::Client, "RETR 1"),
            (Side::Server, "+OK"),
            (Side::Client, "x"),
        ] {
            trace.step(1, &Step::Line(side, text.to_owned())).unwrap();
        }
        drop(trace);
        assert_eq!(
            String::from_utf8(output).unwrap(),
            "C: RETR 1\n#    this message, please (RFC 1939 section 5)\n\
             S: +OK\n#    yes (RFC 1939 section 3)\nC: x\n"
        );
    }

    #[test]
    fn long_bodies_are_cut_and_counted() {
        let mut output = Vec::new();
        let mut trace = Trace::new(&mut output, false, None);
        let line = |text: &str| Step::Line(Side::Server, text.to_owned());
        trace.step(1, &line("HTTP/1.1 200 OK")).unwrap();
        for _ in 0..5 {
            trace
                .step(1, &Step::Bytes(Side::Server, vec![b'a'; 1024]))
                .unwrap();
        }
        trace.step(2, &line("next")).unwrap();
        drop(trace);
        let text = String::from_utf8(output).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[3], "# … and 3072 more bytes");
        assert_eq!(lines[4], "= connection 2");
    }
}
