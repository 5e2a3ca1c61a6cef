//! A listener that nobody should ever reach.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};

/// A listener that only knows whether anything ever connected. It never says anything.
#[derive(Debug)]
pub struct Trap {
    listener: TcpListener,
    address: SocketAddr,
    touched: AtomicBool,
}

impl Trap {
    /// Listens on 127.0.0.1 and a free port.
    pub fn set() -> io::Result<Trap> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        Ok(Trap {
            address: listener.local_addr()?,
            listener,
            touched: AtomicBool::new(false),
        })
    }

    /// Where the trap is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port on which it listens.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Whether anything has connected since the trap was set. The kernel completes connections on
    /// its own and keeps them in a queue, so this needs no thread and misses nothing.
    pub fn was_touched(&self) -> bool {
        let waits = self.listener.accept().is_ok();
        self.touched.fetch_or(waits, Ordering::SeqCst) || waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn remembers_the_shortest_visit() {
        let trap = Trap::set().unwrap();
        assert!(!trap.was_touched());
        drop(TcpStream::connect(trap.address()).unwrap());
        assert!(trap.was_touched());
        assert!(trap.was_touched(), "it remembers");
    }
}
