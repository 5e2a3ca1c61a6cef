//! The client against scripts in memory, where a simple model says what must become of each
//! recipient, and against the mock server, which says what it took.

mod closes;
mod conversations;
mod kit;
mod logging_in;
mod model;
mod oracle;
mod sequences;
mod servers;
mod soup;
