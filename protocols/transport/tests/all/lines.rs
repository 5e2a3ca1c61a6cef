//! Lines and bodies that arrive in many small pieces.

use std::sync::mpsc;
use std::thread;

use proto_transport::{Connection, Dotted, Memory};

use crate::kit::{whole, PATIENCE};

/// Searching what was searched before takes minutes here; searching each byte once, no time at all.
#[test]
fn what_arrives_in_pieces_is_searched_once() {
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        // As long as a line may be, byte by byte: to search each anew would be 2 GB, 6 times.
        let line = vec![b'x'; 64 * 1024];
        for _ in 0..6 {
            let pieces = line.iter().chain(b"\r\n").map(std::slice::from_ref);
            let mut connection = Connection::over(Memory::in_pieces(pieces));
            assert!(connection.read_line().unwrap() == line);
        }
        // A line of a body may be longer.
        let mut text = vec![b'x'; 1 << 20];
        text.extend_from_slice(b"\r\n.\r\n");
        let mut connection = Connection::over(Memory::in_pieces(text.chunks(64)));
        let body = whole(&mut connection, Dotted::default()).unwrap();
        assert_eq!(body.len(), (1 << 20) + 2);
        done.send(()).unwrap();
    });
    is_done.recv_timeout(PATIENCE).unwrap();
}
