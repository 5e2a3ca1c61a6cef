//! The options that say which messages are sent.

use std::path::PathBuf;

use clap::Args;
use proto_transport::Result;

use super::addresses::{addresses, distinct};

/// What a message is composed of, or where messages are read from.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Message")]
pub struct ComposeArgs {
    /// Who sends it: an address, or `Name <address>`
    #[arg(long, value_name = "ADDRESS")]
    pub from: Option<String>,
    /// Who gets it (repeatable; commas separate several)
    #[arg(long, value_name = "ADDRESSES")]
    pub to: Vec<String>,
    /// Who gets a copy
    #[arg(long, value_name = "ADDRESSES")]
    pub cc: Vec<String>,
    /// Who gets a copy that the others do not hear of
    #[arg(long, value_name = "ADDRESSES")]
    pub bcc: Vec<String>,
    /// What it is about
    #[arg(long, value_name = "TEXT")]
    pub subject: Option<String>,
    /// The text (- reads it from stdin)
    #[arg(
        long,
        value_name = "TEXT",
        conflicts_with = "text_file",
        allow_hyphen_values = true
    )]
    pub text: Option<String>,
    /// Read the text from this file
    #[arg(long, value_name = "FILE")]
    pub text_file: Option<PathBuf>,
    /// The text as HTML, alone or beside the plain text (- reads it from stdin)
    #[arg(
        long,
        value_name = "HTML",
        conflicts_with = "html_file",
        allow_hyphen_values = true
    )]
    pub html: Option<String>,
    /// Read the HTML from this file
    #[arg(long, value_name = "FILE")]
    pub html_file: Option<PathBuf>,
    /// Attach this file (repeatable)
    #[arg(long, value_name = "FILE")]
    pub attach: Vec<PathBuf>,
    /// Send an image that the HTML shows as cid:NAME, by the name of the file (repeatable)
    #[arg(long, value_name = "FILE")]
    pub inline: Vec<PathBuf>,
    /// Add a header field, or write it instead of ours (repeatable); changes what is shown, not who
    /// gets the message
    #[arg(long, value_name = "NAME: VALUE")]
    pub header: Vec<String>,
    /// Send what is in a file, a Maildir or an mbox as it is (repeatable; - for stdin)
    #[arg(long, value_name = "PATH", conflicts_with_all = ["cc", "bcc", "subject", "text", "text_file", "html", "html_file", "attach", "inline", "header"])]
    pub message: Vec<PathBuf>,
    /// Take the recipients from To, Cc and Bcc of each message
    #[arg(long, requires = "message")]
    pub recipients_from_headers: bool,
    /// Leave the Bcc field in what is sent
    #[arg(long, requires = "message")]
    pub keep_bcc: bool,
}

impl ComposeArgs {
    /// The bare addresses of --to, --cc and --bcc, each once.
    pub fn recipients(&self) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for text in [&self.to, &self.cc, &self.bcc].into_iter().flatten() {
            all.extend(addresses(text)?);
        }
        Ok(distinct(all.iter().map(String::as_str)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::CommonArgs;
    use clap::{CommandFactory, Parser};

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        message: ComposeArgs,
        #[command(flatten)]
        _common: CommonArgs,
    }

    #[test]
    fn the_options_are_sound() {
        Command::command().debug_assert();
        let read = |arguments: &[&str]| {
            let program = std::iter::once("send");
            Command::try_parse_from(program.chain(arguments.iter().copied()))
        };
        assert!(read(&["--message", "a", "--message", "-", "--keep-bcc"]).is_ok());
        assert!(read(&["--message", "a", "--from", "b", "--to", "c"]).is_ok());
        assert!(read(&["--message", "a", "--text", "b"]).is_err());
        assert!(read(&["--text", "a", "--text-file", "b"]).is_err());
        assert!(read(&["--keep-bcc"]).is_err());
        let text = read(&["--text", "- a list"]).unwrap().message.text;
        assert_eq!(text.as_deref(), Some("- a list"));
    }

    #[test]
    fn everybody_gets_one_copy() {
        let args = ComposeArgs {
            to: vec!["A <a@x>, b@x".into(), "c@x".into()],
            cc: vec!["a@X".into()],
            bcc: vec!["d@x".into()],
            ..ComposeArgs::default()
        };
        assert_eq!(args.recipients().unwrap(), ["a@x", "b@x", "c@x", "d@x"]);
    }
}
