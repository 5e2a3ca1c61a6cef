//! The samples about mail run, and see the mail that they are about.

use std::process::Command;

use crate::harness::{repository, Run};

#[path = "../samples/sign_up_mail.rs"]
mod sign_up_mail;

#[test]
fn a_program_tests_a_sign_up_mail() {
    sign_up_mail::main().unwrap();
}

#[test]
fn a_script_tests_a_sign_up_mail() {
    let script = repository().join("samples/sign-up-mail.sh");
    let output = Command::new(script)
        .arg(env!("CARGO_BIN_EXE_proto"))
        .output()
        .unwrap();
    let run = Run::from(output).exits(0);
    assert_eq!(run.text().trim_end(), "Your code is 4711.");
    assert_eq!(run.stderr, "");
}
