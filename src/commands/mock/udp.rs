//! `proto mock udp`: echo and its like in datagrams, and a network that loses them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use proto_mock::tcp::{Habit, HABITS};
use proto_mock::udp::{DatagramFault, DatagramServer, DATAGRAM_FAULTS};
use proto_transport::{Error, Result};

use super::{illegal, list, tell_address, Ending};
use crate::exit_code::OK;
use crate::units::duration;

#[derive(clap::Args)]
pub struct UdpArgs {
    /// What to do: echo, discard, uppercase, daytime or chargen; "help" tells what they are
    #[arg(value_name = "HABIT", default_value = "echo")]
    habit: String,
    /// Listen on this port; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
    /// Listen on this address; anything but loopback shows the server to the network
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// Do something to datagrams (repeatable); "--fault help" lists what there is
    #[arg(long, value_name = "NAME[=VALUE]")]
    fault: Vec<String>,
    /// Write the port as JSON to this file once the server is ready
    #[arg(long, value_name = "FILE")]
    ports_file: Option<PathBuf>,
    /// Stop after this time
    #[arg(long, value_name = "TIME", value_parser = duration)]
    stop_after: Option<Duration>,
}

/// Serves until it is told to stop.
pub fn run(args: &UdpArgs) -> Result<u8> {
    if args.habit == "help" {
        return list(HABITS);
    }
    if args.fault.iter().any(|fault| fault == "help") {
        return list(DATAGRAM_FAULTS);
    }
    let habit: Habit = args.habit.parse().map_err(illegal)?;
    let faults = args
        .fault
        .iter()
        .map(|fault| fault.parse::<DatagramFault>());
    let faults = faults
        .collect::<std::result::Result<_, _>>()
        .map_err(illegal)?;
    let bind = SocketAddr::new(args.bind, args.port);
    if !args.bind.is_loopback() {
        crate::warn(&format!(
            "{bind} is open to the network, and a mock server defends nothing"
        ));
    }
    let mut ending = Ending::new()?;
    let server = DatagramServer::start(bind, habit, faults)
        .map_err(|error| Error::io(format!("listening on {bind}"), error))?;
    tell_address(args.ports_file.as_deref(), "udp", server.address())?;
    ending.wait(args.stop_after);
    server.stop();
    Ok(OK)
}
