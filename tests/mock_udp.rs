//! `proto mock udp`: echo and its like in datagrams.

use crate::mock_tcp::start;
use crate::tcp::typing;

#[test]
fn habits_and_faults() {
    let (_running, scheme, port) = start(&["udp", "uppercase", "--fault", "duplicate"]);
    assert_eq!(scheme, "udp");
    let run = typing(&["udp", "127.0.0.1", &port, "--wait", "300ms"], b"Hi\n").exits(0);
    assert_eq!(run.text(), "HI\nHI\n");
    let (_running, _, port) = start(&["udp", "daytime"]);
    let run = typing(&["udp", "127.0.0.1", &port], b"?\n").exits(0);
    assert!(run.text().ends_with("+0000\\r\\n\n"), "{}", run.text());
}
