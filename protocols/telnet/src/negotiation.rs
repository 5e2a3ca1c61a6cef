//! Which options are in force, by the Q method (RFC 1143): no answer without a change, and so no
//! loop, whatever the other side does.

use crate::code::{Code, Verb};

/// How it stands with an option on one side (RFC 1143 section 7). "Opposite" is the request that
/// waits until the one under way is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum State {
    /// It is not in force.
    #[default]
    No,
    /// It is in force.
    Yes,
    /// It was asked to end.
    WantNo,
    /// It was asked to end, and then to begin.
    WantNoOpposite,
    /// It was asked to begin.
    WantYes,
    /// It was asked to begin, and then to end.
    WantYesOpposite,
}

/// What follows from what was heard or wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// What is to be said.
    pub says: Option<Verb>,
    /// The option has come into force, or gone out of it.
    pub change: Option<bool>,
}

/// The options of both sides.
#[derive(Debug)]
pub struct Negotiation {
    ours: [State; 256],
    theirs: [State; 256],
}

impl Default for Negotiation {
    fn default() -> Negotiation {
        Negotiation {
            ours: [State::No; 256],
            theirs: [State::No; 256],
        }
    }
}

impl Negotiation {
    /// Takes what was heard. `agrees` says whether we want the option, should they ask for it.
    pub fn hear(&mut self, verb: Verb, code: Code, agrees: bool) -> Outcome {
        let is_yes = matches!(verb, Verb::Will | Verb::Do);
        match verb {
            Verb::Will | Verb::Wont => {
                turn(self.theirs(code), |state| heard(state, is_yes, agrees)).in_words_of(Verb::Do)
            }
            Verb::Do | Verb::Dont => {
                turn(self.ours(code), |state| heard(state, is_yes, agrees)).in_words_of(Verb::Will)
            }
        }
    }

    /// Asks that they begin or end something.
    pub fn ask_them(&mut self, code: Code, is_wanted: bool) -> Outcome {
        turn(self.theirs(code), |state| wanted(state, is_wanted)).in_words_of(Verb::Do)
    }

    /// Offers to begin or end something.
    pub fn offer(&mut self, code: Code, is_wanted: bool) -> Outcome {
        turn(self.ours(code), |state| wanted(state, is_wanted)).in_words_of(Verb::Will)
    }

    /// Whether it is in force on our side.
    pub fn we_do(&self, code: Code) -> bool {
        self.ours.get(usize::from(code.0)) == Some(&State::Yes)
    }

    /// Whether it is in force on their side.
    pub fn they_do(&self, code: Code) -> bool {
        self.theirs.get(usize::from(code.0)) == Some(&State::Yes)
    }

    /// All that is in force: `true` for our side.
    pub fn in_force(&self) -> impl Iterator<Item = (bool, Code)> + '_ {
        (0..=255).map(Code).flat_map(|code| {
            let ours = self.we_do(code).then_some((true, code));
            let theirs = self.they_do(code).then_some((false, code));
            ours.into_iter().chain(theirs)
        })
    }

    // A byte is a place in a table of 256.
    #[allow(clippy::indexing_slicing)]
    fn ours(&mut self, code: Code) -> &mut State {
        &mut self.ours[usize::from(code.0)]
    }

    #[allow(clippy::indexing_slicing)]
    fn theirs(&mut self, code: Code) -> &mut State {
        &mut self.theirs[usize::from(code.0)]
    }
}

/// Says yes or no, and whether something has changed.
struct Turn {
    says: Option<bool>,
    change: Option<bool>,
}

impl Turn {
    /// In the words for one side: `yes` is DO for theirs and WILL for ours.
    fn in_words_of(self, yes: Verb) -> Outcome {
        let no = match yes {
            Verb::Do => Verb::Dont,
            _ => Verb::Wont,
        };
        Outcome {
            says: self.says.map(|is_yes| if is_yes { yes } else { no }),
            change: self.change,
        }
    }
}

fn turn(state: &mut State, next: impl Fn(State) -> (State, Option<bool>)) -> Turn {
    let was = *state == State::Yes;
    let says;
    (*state, says) = next(*state);
    let is = *state == State::Yes;
    Turn {
        says,
        change: (was != is).then_some(is),
    }
}

/// They said that it is (WILL, DO) or is not (WONT, DONT); RFC 1143 section 7, its two tables.
fn heard(state: State, is_yes: bool, agrees: bool) -> (State, Option<bool>) {
    use State::{No, WantNo, WantNoOpposite, WantYes, WantYesOpposite, Yes};
    match (is_yes, state) {
        (true, No) if agrees => (Yes, Some(true)),
        (true, No) => (No, Some(false)),
        (true, Yes) => (Yes, None),
        // They answer an end with a beginning, which is wrong; it has ended all the same.
        (true, WantNo) => (No, None),
        (true, WantNoOpposite) => (Yes, None),
        (true, WantYes) => (Yes, None),
        (true, WantYesOpposite) => (WantNo, Some(false)),
        (false, No) => (No, None),
        (false, Yes) => (No, Some(false)),
        (false, WantNo) => (No, None),
        (false, WantNoOpposite) => (WantYes, Some(true)),
        (false, WantYes | WantYesOpposite) => (No, None),
    }
}

/// We want it to begin or to end; RFC 1143 section 7. What is wanted already is not asked for again.
fn wanted(state: State, is_yes: bool) -> (State, Option<bool>) {
    use State::{No, WantNo, WantNoOpposite, WantYes, WantYesOpposite, Yes};
    match (is_yes, state) {
        (true, No) => (WantYes, Some(true)),
        (true, WantNo) => (WantNoOpposite, None),
        (true, WantYesOpposite) => (WantYes, None),
        (false, Yes) => (WantNo, Some(false)),
        (false, WantNoOpposite) => (WantNo, None),
        (false, WantYes) => (WantYesOpposite, None),
        (_, state) => (state, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use State::{No, WantNo, WantNoOpposite, WantYes, WantYesOpposite, Yes};

    const STATES: [State; 6] = [No, Yes, WantNo, WantNoOpposite, WantYes, WantYesOpposite];

    /// RFC 1143 section 7, line by line: what is heard in each state, whether it is agreed to, the
    /// state after it, and the answer.
    #[test]
    fn every_state_meets_every_event() {
        let heard_table = [
            (No, true, true, Yes, Some(true)),
            (No, true, false, No, Some(false)),
            (Yes, true, true, Yes, None),
            (Yes, true, false, Yes, None),
            (WantNo, true, true, No, None),
            (WantNo, true, false, No, None),
            (WantNoOpposite, true, true, Yes, None),
            (WantNoOpposite, true, false, Yes, None),
            (WantYes, true, true, Yes, None),
            (WantYes, true, false, Yes, None),
            (WantYesOpposite, true, true, WantNo, Some(false)),
            (WantYesOpposite, true, false, WantNo, Some(false)),
            (No, false, true, No, None),
            (No, false, false, No, None),
            (Yes, false, true, No, Some(false)),
            (Yes, false, false, No, Some(false)),
            (WantNo, false, true, No, None),
            (WantNo, false, false, No, None),
            (WantNoOpposite, false, true, WantYes, Some(true)),
            (WantNoOpposite, false, false, WantYes, Some(true)),
            (WantYes, false, true, No, None),
            (WantYes, false, false, No, None),
            (WantYesOpposite, false, true, No, None),
            (WantYesOpposite, false, false, No, None),
        ];
        assert_eq!(heard_table.len(), STATES.len() * 4);
        for (state, is_yes, agrees, next, says) in heard_table {
            assert_eq!(
                heard(state, is_yes, agrees),
                (next, says),
                "{state:?} {is_yes} {agrees}"
            );
        }
        let wanted_table = [
            (No, true, WantYes, Some(true)),
            (Yes, true, Yes, None),
            (WantNo, true, WantNoOpposite, None),
            (WantNoOpposite, true, WantNoOpposite, None),
            (WantYes, true, WantYes, None),
            (WantYesOpposite, true, WantYes, None),
            (No, false, No, None),
            (Yes, false, WantNo, Some(false)),
            (WantNo, false, WantNo, None),
            (WantNoOpposite, false, WantNo, None),
            (WantYes, false, WantYesOpposite, None),
            (WantYesOpposite, false, WantYesOpposite, None),
        ];
        assert_eq!(wanted_table.len(), STATES.len() * 2);
        for (state, is_yes, next, says) in wanted_table {
            assert_eq!(wanted(state, is_yes), (next, says), "{state:?} {is_yes}");
        }
    }

    #[test]
    fn each_side_has_its_words() {
        let mut negotiation = Negotiation::default();
        let outcome = |says, change| Outcome { says, change };
        assert_eq!(
            negotiation.hear(Verb::Will, Code::ECHO, true),
            outcome(Some(Verb::Do), Some(true))
        );
        assert_eq!(
            negotiation.hear(Verb::Do, Code::ECHO, false),
            outcome(Some(Verb::Wont), None)
        );
        assert!(negotiation.they_do(Code::ECHO) && !negotiation.we_do(Code::ECHO));
        assert_eq!(
            negotiation.offer(Code::BINARY, true),
            outcome(Some(Verb::Will), None)
        );
        assert_eq!(
            negotiation.hear(Verb::Do, Code::BINARY, true),
            outcome(None, Some(true))
        );
        assert_eq!(
            negotiation.ask_them(Code::ECHO, false),
            outcome(Some(Verb::Dont), Some(false))
        );
        let in_force: Vec<_> = negotiation.in_force().collect();
        assert_eq!(in_force, [(true, Code::BINARY)]);
    }

    /// Two of us, whatever each wants and whatever order it wants it in, come to rest and agree.
    #[test]
    fn two_sides_never_loop() {
        for wishes in 0..64_u32 {
            let (mut here, mut there) = (Negotiation::default(), Negotiation::default());
            let mut to_there: Vec<Verb> = Vec::new();
            let mut to_here: Vec<Verb> = Vec::new();
            for turn in 0..3 {
                let wish = |bit: u32| wishes >> (turn * 2 + bit) & 1 == 1;
                to_there.extend(here.ask_them(Code::ECHO, wish(0)).says);
                to_here.extend(there.offer(Code::ECHO, wish(1)).says);
            }
            let mut steps = 0;
            while !to_here.is_empty() || !to_there.is_empty() {
                steps += 1;
                assert!(steps < 20, "{wishes}");
                for verb in std::mem::take(&mut to_there) {
                    to_here.extend(there.hear(verb, Code::ECHO, true).says);
                }
                for verb in std::mem::take(&mut to_here) {
                    to_there.extend(here.hear(verb, Code::ECHO, true).says);
                }
            }
            assert_eq!(
                here.they_do(Code::ECHO),
                there.we_do(Code::ECHO),
                "{wishes}"
            );
        }
    }
}
