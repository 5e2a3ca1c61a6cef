//! `proto mock tcp`: echo and its like.

use std::sync::Arc;

use proto_mock::tcp::{Habit, SmallServer, HABITS};
use proto_transport::{Error, Result};

use super::{list, serve, ListenArgs};
use crate::units::size;

#[derive(clap::Args)]
pub struct TcpArgs {
    /// What to do: echo, discard, uppercase, daytime or chargen; "help" tells what they are
    #[arg(value_name = "HABIT", default_value = "echo")]
    habit: String,
    /// How much chargen says before it closes
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = size)]
    size: u64,
    #[command(flatten)]
    pub(super) listen: ListenArgs,
}

/// Serves until it is told to stop.
pub fn run(args: &TcpArgs) -> Result<u8> {
    if args.habit == "help" {
        return list(HABITS);
    }
    let habit = args.habit.parse::<Habit>();
    let server = SmallServer {
        habit: habit.map_err(|error| Error::illegal(error.to_string()))?,
        chargen: args.size,
    };
    let scheme = if args.listen.tls { "tls" } else { "tcp" };
    serve(&args.listen, scheme, Arc::new(server))
}
