//! `proto completions`: what a shell reads to complete our commands.

use crate::harness::proto;

#[test]
fn every_shell_learns_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = proto(&["completions", shell]).exits(0).text();
        for command in ["http-get", "http-head", "mock", "demo", "manual"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    proto(&["completions", "nonsense"]).exits(64);
}
