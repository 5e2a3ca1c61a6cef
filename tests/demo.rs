//! `proto demo`: what the README promises first.

use crate::harness::proto;

#[test]
fn the_demonstration_needs_nothing_and_shows_the_conversation() {
    let run = proto(&["demo"]).exits(0);
    let text = run.text();
    assert!(
        text.contains("$ proto http-get http://127.0.0.1:"),
        "{text}"
    );
    assert!(text.contains("Hello from a mock server."), "{text}");
    run.says("C: GET /page.html HTTP/1.1")
        .says("S: HTTP/1.1 200 OK");
}
