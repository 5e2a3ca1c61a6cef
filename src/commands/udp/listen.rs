//! `proto udp --listen [ADDRESS] PORT`: prints datagrams, or sends them back.

use std::time::Instant;

use proto_transport::escape::escaped;
use proto_transport::{DatagramListener, Result};
use serde_json::json;

use super::Args;
use crate::commands::tcp::hex::dump;
use crate::ending::{Ending, GLANCE};
use crate::exit_code::OK;
use crate::rows::Rows;
use crate::sockets::listening_address;

/// Serves until it is told to stop.
pub fn run(args: &Args) -> Result<u8> {
    let address = listening_address(Some(&args.host), args.port)?;
    let mut ending = Ending::new()?;
    let mut listener = DatagramListener::bind(address)?;
    crate::note(&format!(
        "proto: listening on udp://{}/",
        listener.address()?
    ));
    let end = args.common.deadline();
    let largest = args.largest();
    let mut rows = Rows::new(args.json, false);
    while !ending.has_come() && end.is_none_or(|end| Instant::now() < end) {
        let Some((heard, sender)) = listener.receive(Instant::now() + GLANCE)? else {
            continue;
        };
        if heard.len() > largest {
            let size = heard.len();
            crate::note(&format!(
                "proto: {sender}: a datagram of {size} bytes is passed over"
            ));
            continue;
        }
        let heard = heard.to_vec();
        if args.echo {
            listener.send_to(&heard, sender)?;
            continue;
        }
        let text = || match args.hex {
            true => format!("{sender}\n{}", dump('<', 0, &heard))
                .trim_end()
                .to_owned(),
            false => format!("{sender}\t{}", escaped(&heard)),
        };
        let item = || {
            json!({
                "peer": sender.to_string(),
                "datagram": String::from_utf8_lossy(&heard),
                "bytes": heard.len(),
            })
        };
        rows.add(text, item)?;
    }
    Ok(OK)
}
