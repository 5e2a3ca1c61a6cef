//! What a server remembers of its conversations, for whoever wants to know afterwards.

use std::collections::VecDeque;
use std::sync::Mutex;

use crate::stop::locked;

/// What was heard, and what of that was against the rules.
#[derive(Default)]
pub(crate) struct Journal {
    heard: Mutex<VecDeque<(usize, String)>>,
    violations: Mutex<Vec<String>>,
}

/// How many command lines are remembered; the oldest are forgotten.
const COMMANDS: usize = 100_000;

/// How many violations are remembered. Whoever has so many needs no more.
const VIOLATIONS: usize = 10_000;

impl Journal {
    pub(crate) fn hear(&self, connection: usize, line: &str) {
        let mut heard = locked(&self.heard);
        if heard.len() >= COMMANDS {
            heard.pop_front();
        }
        heard.push_back((connection, line.to_owned()));
    }

    pub(crate) fn note_violation(&self, violation: String) {
        let mut violations = locked(&self.violations);
        if violations.len() < VIOLATIONS {
            violations.push(violation);
        }
    }

    /// The lines, each with the number of its connection.
    pub(crate) fn commands(&self) -> Vec<(usize, String)> {
        locked(&self.heard).iter().cloned().collect()
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        locked(&self.violations).clone()
    }
}
