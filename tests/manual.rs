//! `proto manual`: a page for each command.

use std::fs;

use crate::harness::{folder, names, proto};

#[test]
fn every_command_has_a_page() {
    let folder = folder();
    let manual = folder.path().join("man");
    proto(&["manual", manual.to_str().unwrap()]).exits(0);
    let pages = names(&manual);
    for page in [
        "proto.1",
        "proto-http-get.1",
        "proto-http-head.1",
        "proto-mock-http.1",
        "proto-demo.1",
    ] {
        assert!(pages.contains(&page.to_owned()), "{pages:?}");
        let text = fs::read_to_string(manual.join(page)).unwrap();
        assert!(text.contains(".SH NAME"), "{page}");
    }
}
