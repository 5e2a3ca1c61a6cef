//! `proto mock gopher`: a folder or menus that are made, and every flaw.

use std::path::PathBuf;
use std::sync::Arc;

use proto_mock::gopher::{GopherServer, News, FLAWS, RULES};
use proto_transport::escape::escaped;
use proto_transport::Result;

use super::{illegal, list, parsed, serve, ListenArgs};

#[derive(clap::Args)]
pub struct GopherArgs {
    /// Serve the files of this folder; a file "gophermap" is the menu of its folder
    #[arg(long, value_name = "DIR", conflicts_with = "generate")]
    dir: Option<PathBuf>,
    /// Have so many items in the main menu, made while they are sent
    #[arg(long, value_name = "COUNT")]
    generate: Option<u64>,
    /// Speak Gopher+: attributes, and lengths before answers
    #[arg(long)]
    plus: bool,
    /// Do something else than usual (repeatable), as "get=/a* drop"; "--rule help" lists the words
    #[arg(long, value_name = "RULE")]
    rule: Vec<String>,
    /// Do something wrong all the time (repeatable); "--flaw help" lists what there is
    #[arg(long, value_name = "NAME[=VALUE]")]
    flaw: Vec<String>,
    /// Say nothing of requests and violations on stderr
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    pub(super) listen: ListenArgs,
}

/// Serves until it is told to stop.
pub fn run(args: &GopherArgs) -> Result<u8> {
    if args.rule.iter().any(|rule| rule == "help") {
        return list(RULES);
    }
    if args.flaw.iter().any(|flaw| flaw == "help") {
        return list(FLAWS);
    }
    if let Some(folder) = args.dir.as_ref().filter(|folder| !folder.is_dir()) {
        return Err(illegal(format!("{} is no folder", folder.display())));
    }
    let mut server = GopherServer::default();
    server.root.clone_from(&args.dir);
    server.generated = args.generate.unwrap_or(0);
    server.plus = args.plus;
    server.rules = parsed(&args.rule)?;
    server.flaws = parsed(&args.flaw)?;
    if !args.quiet {
        server.notify = Some(Box::new(tell));
    }
    let scheme = if args.listen.tls { "gophers" } else { "gopher" };
    serve(&args.listen, scheme, Arc::new(server))
}

/// One line on stderr for everything that happens.
fn tell(news: &News<'_>) {
    let line = match news {
        News::Request { connection, line } => format!("request {connection}: {line}"),
        News::Violation(what) => format!("violation {what}"),
    };
    crate::note(&escaped(line.as_bytes()));
}
