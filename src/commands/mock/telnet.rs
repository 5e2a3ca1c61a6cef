//! `proto mock telnet`: a login and a little shell, and every flaw.

use std::sync::Arc;

use proto_mock::telnet::{News, TelnetServer, FLAWS, RULES};
use proto_transport::escape::escaped;
use proto_transport::Result;

use super::{illegal, list, parsed, serve, ListenArgs};

#[derive(clap::Args)]
pub struct TelnetArgs {
    /// Who may come in (repeatable); without it, everybody may
    #[arg(long, value_name = "NAME:PASSWORD", conflicts_with = "no_login")]
    user: Vec<String>,
    /// Ask nobody who they are
    #[arg(long)]
    no_login: bool,
    /// Do something else than usual (repeatable), as "command=date drop"; "--rule help" lists the words
    #[arg(long, value_name = "RULE")]
    rule: Vec<String>,
    /// Do something wrong all the time (repeatable); "--flaw help" lists what there is
    #[arg(long, value_name = "NAME")]
    flaw: Vec<String>,
    /// Say nothing of lines, options and violations on stderr
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    pub(super) listen: ListenArgs,
}

/// Serves until it is told to stop.
pub fn run(args: &TelnetArgs) -> Result<u8> {
    if args.rule.iter().any(|rule| rule == "help") {
        return list(RULES);
    }
    if args.flaw.iter().any(|flaw| flaw == "help") {
        return list(FLAWS);
    }
    let mut server = TelnetServer::default();
    server.has_login = !args.no_login;
    for user in &args.user {
        let (name, password) = user
            .split_once(':')
            .ok_or_else(|| illegal("--user takes NAME:PASSWORD"))?;
        server.users.push((name.to_owned(), password.to_owned()));
    }
    server.rules = parsed(&args.rule)?;
    server.flaws = parsed(&args.flaw)?;
    if !args.quiet {
        server.notify = Some(Box::new(tell));
    }
    let scheme = if args.listen.tls { "telnets" } else { "telnet" };
    serve(&args.listen, scheme, Arc::new(server))
}

/// One line on stderr for everything that happens.
fn tell(news: &News<'_>) {
    let line = match news {
        News::Line { connection, line } => format!("line {connection}: {line}"),
        News::Option { connection, what } => format!("option {connection}: {what}"),
        News::Violation(what) => format!("violation {what}"),
    };
    crate::note(&escaped(line.as_bytes()));
}
