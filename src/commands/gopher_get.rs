//! `proto gopher-get URL`: an item to stdout or into a file.

use proto_transport::Result;

use crate::cli::CommonArgs;
use crate::download::retrying;
use crate::fetching::reported;
use crate::gopher::{searching, target, Fetching, OutputArgs, Service};
use crate::progress::Progress;

/// Fetch an item of a gopher server.
#[derive(clap::Args)]
pub struct Args {
    /// The item: gopher://host/0/selector, gophers:// or host[:port][/TYPESELECTOR]
    url: String,
    /// Words for a search (an item of the type 7); ?words behind the URL says the same
    #[arg(long, value_name = "WORDS")]
    search: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// Fetches the item.
pub fn run(args: &Args) -> Result<u8> {
    let target = searching(target(&args.url)?, args.search.as_deref())?;
    let service = Service::new(&args.common)?;
    let progress = Progress::new(args.common.looking.quiet, 1);
    let fetching = Fetching {
        service: &service,
        output: &args.output,
        common: &args.common,
        progress: &progress,
    };
    reported("gopher-get", target.url(), &args.common, |record, _| {
        let say = |text: &str| progress.say(text);
        retrying(&args.common, say, |this| {
            fetching.fetch(&target, record, &mut this.is_last)
        })
    })
}
