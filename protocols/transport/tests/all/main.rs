//! The transport over real sockets and real TLS, against mock servers on the loopback.
//!
//! No test asserts that something is fast. Where a wait must end, the client's own clock is set short
//! and everything else is left long, so that a clock that does not work shows as a hang.

mod addresses;
mod deadlines;
mod ends;
mod faults;
mod handshakes;
mod kit;
mod lines;
mod proxies;
mod resumption;
mod splice;
mod start_tls;
mod tls;
mod transcript;
