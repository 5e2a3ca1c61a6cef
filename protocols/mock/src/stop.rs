//! How a server's threads learn that they must end, and how their sockets are taken from them.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use socket2::SockRef;

/// A flag that is raised once, and that can be waited for.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    pub(crate) fn raise(&self) {
        *locked(&self.0 .0) = true;
        self.0 .1.notify_all();
    }

    pub(crate) fn is_raised(&self) -> bool {
        *locked(&self.0 .0)
    }

    /// Waits for so long, or until the flag is raised. Returns whether it is.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let started = Instant::now();
        let mut raised = locked(&self.0 .0);
        while !*raised {
            let Some(left) = time
                .checked_sub(started.elapsed())
                .filter(|left| !left.is_zero())
            else {
                break;
            };
            let woken = self.0 .1.wait_timeout(raised, left);
            raised = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        *raised
    }

    /// As [`Stop::wait`], where being stopped is an error.
    pub(crate) fn sleep(&self, time: Duration) -> io::Result<()> {
        match self.wait(time) {
            true => Err(stopped()),
            false => Ok(()),
        }
    }
}

/// What a conversation ends with when its server stops.
pub(crate) fn stopped() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the mock server stops")
}

/// A lock that a panic elsewhere does not take away: a mock's state is as good as it was.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A second handle on a connection's socket, for what can only be done from outside or below TLS.
/// It must be let go before the connection can end: the kernel closes a socket with its last handle.
#[derive(Clone, Default)]
pub(crate) struct Control(Arc<Mutex<Handles>>);

#[derive(Default)]
struct Handles {
    own: Option<TcpStream>,
    /// Of the connection that serves this one, as in FTP.
    second: Option<Control>,
}

impl Control {
    pub(crate) fn of(stream: &TcpStream) -> io::Result<Control> {
        Ok(Control(Arc::new(Mutex::new(Handles {
            own: Some(stream.try_clone()?),
            second: None,
        }))))
    }

    /// Ends both directions at once, which wakes whoever reads or writes; also of the second
    /// connection.
    pub(crate) fn shut(&self) {
        let handles = locked(&self.0);
        if let Some(stream) = &handles.own {
            let _ = stream.shutdown(Shutdown::Both);
        }
        if let Some(second) = &handles.second {
            second.shut();
        }
    }

    /// Has a second connection shut together with this one.
    pub(crate) fn take_along(&self, second: Control) {
        locked(&self.0).second = Some(second);
    }

    /// Makes the coming close a reset.
    pub(crate) fn reset_on_close(&self) {
        if let Some(stream) = &locked(&self.0).own {
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }

    /// Whether the coming close is a reset, before which nothing more is said.
    pub(crate) fn is_resetting(&self) -> bool {
        let handles = locked(&self.0);
        let linger = handles
            .own
            .as_ref()
            .map(|stream| SockRef::from(stream).linger());
        matches!(linger, Some(Ok(Some(Duration::ZERO))))
    }

    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        locked(&self.0).own.as_ref()?.local_addr().ok()
    }

    pub(crate) fn remote_address(&self) -> Option<SocketAddr> {
        locked(&self.0).own.as_ref()?.peer_addr().ok()
    }

    pub(crate) fn let_go(&self) {
        locked(&self.0).own.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_early_when_the_flag_is_raised() {
        let stop = Stop::default();
        assert!(!stop.wait(Duration::from_millis(5)));
        let waiter = {
            let stop = stop.clone();
            std::thread::spawn(move || stop.wait(Duration::from_secs(60)))
        };
        stop.raise();
        assert!(waiter.join().unwrap());
        assert!(stop.sleep(Duration::ZERO).is_err());
    }
}
