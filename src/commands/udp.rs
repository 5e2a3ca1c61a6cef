//! `proto udp HOST PORT`: each line a datagram, and what comes back; or with `--listen` the other side.

mod ask;
mod listen;

use std::time::Duration;

use proto_transport::{Endpoint, Error, Result, LARGEST_DATAGRAM};

use crate::cli::CommonArgs;
use crate::fetching::reported;
use crate::protocol::UDP;
use crate::sockets;
use crate::units::duration;

/// Send each line as a datagram and print what comes back, or listen.
#[derive(clap::Args)]
pub struct Args {
    /// The host: a name, an address, host:port or udp://host:port; with --listen an address of this
    /// machine (127.0.0.1)
    #[arg(value_name = "HOST")]
    host: String,
    /// Its port
    #[arg(value_name = "PORT")]
    port: Option<u16>,
    /// How long to wait for an answer before the datagram is sent again; 0 waits for none
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    reply_timeout: Duration,
    /// How often a datagram that was not answered is sent again
    #[arg(long, value_name = "N", default_value_t = 2)]
    retries: u32,
    /// Behind the last answer, wait so long for more
    #[arg(long, value_name = "TIME", value_parser = duration)]
    wait: Option<Duration>,
    /// Show both directions as hexadecimal bytes
    #[arg(long, conflicts_with = "json")]
    hex: bool,
    /// Wait for datagrams, and print them
    #[arg(long, help_heading = "Listening", conflicts_with_all = ["connect_to", "bind"])]
    listen: bool,
    /// Send back what comes
    #[arg(long, help_heading = "Listening", requires = "listen")]
    echo: bool,
    /// One JSON object a datagram
    #[arg(long, help_heading = "Results")]
    json: bool,
    #[command(flatten)]
    common: CommonArgs,
}

impl Args {
    /// The largest datagram that is sent, and taken.
    fn largest(&self) -> usize {
        let wanted = self.common.connection.max_size;
        let wanted = wanted.and_then(|size| usize::try_from(size).ok());
        wanted.unwrap_or(LARGEST_DATAGRAM).min(LARGEST_DATAGRAM)
    }
}

/// Sends what stdin holds and prints what comes; or listens.
pub fn run(args: &Args) -> Result<u8> {
    let connection = &args.common.connection;
    if connection.unix_socket.is_some() || connection.proxy.is_some() {
        return Err(Error::illegal(
            "datagrams go neither through a proxy nor through a Unix socket",
        ));
    }
    if connection.limit_rate.is_some() {
        return Err(Error::illegal("--limit-rate is for transfers"));
    }
    if args.listen {
        return listen::run(args);
    }
    let endpoint: Endpoint = sockets::endpoint("udp", &args.host, args.port)?;
    let connector = args.common.connector(&UDP)?;
    reported(
        "udp",
        endpoint.to_string(),
        &args.common,
        |record, codes| ask::Asking::new(args, connector.datagrams(&endpoint)?, record).run(codes),
    )
}
