//! What is known of a mailbox that is watched: which message has which number.

use proto_imap::{Event, Flag, UidSet};

/// The messages of a mailbox, in order.
#[derive(Debug, Default)]
pub struct Watched {
    uids: Vec<u32>,
}

/// What an event means.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing for us.
    Nothing,
    /// There are more messages, or nobody knows any more which there are.
    Look,
    /// Messages are gone.
    Gone(UidSet),
    /// A message has these flags now.
    Flags(u32, Vec<Flag>),
}

impl Watched {
    /// These messages are there.
    pub fn set(&mut self, now: &UidSet) {
        self.uids = now.iter().collect();
    }

    /// One more is known.
    pub fn add(&mut self, uid: u32) {
        let place = self.uids.partition_point(|other| *other < uid);
        if self.uids.get(place) != Some(&uid) {
            self.uids.insert(place, uid);
        }
    }

    /// Which messages are new, if these are there now, and which are gone. Those are known no more.
    pub fn compare(&mut self, now: &UidSet) -> (UidSet, UidSet) {
        let before: UidSet = self.uids.iter().copied().collect();
        self.uids.retain(|uid| now.contains(*uid));
        (now.without(&before), before.without(now))
    }

    /// Takes in what the server says.
    pub fn hear(&mut self, event: Event) -> Heard {
        match event {
            Event::Exists(count) if count as usize == self.uids.len() => Heard::Nothing,
            Event::Exists(_) => Heard::Look,
            Event::Expunged(number) => match self.place(number) {
                Some(place) => Heard::Gone([self.uids.remove(place)].into_iter().collect()),
                None => Heard::Look,
            },
            Event::Vanished(gone) => {
                let known: UidSet = self.uids.iter().copied().collect();
                self.uids.retain(|uid| !gone.contains(*uid));
                Heard::Gone(known.intersection(&gone))
            }
            Event::Message(number, attributes) => {
                let known = self.place(number).and_then(|place| self.uids.get(place));
                match (attributes.uid.or(known.copied()), attributes.flags) {
                    (Some(uid), Some(flags)) => Heard::Flags(uid, flags),
                    _ => Heard::Nothing,
                }
            }
            Event::Told(_) => Heard::Nothing,
        }
    }

    /// Where the message with this number is.
    fn place(&self, number: u32) -> Option<usize> {
        let place = (number as usize).checked_sub(1)?;
        (place < self.uids.len()).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_imap::Attributes;

    fn set(text: &str) -> UidSet {
        UidSet::parse(text).unwrap()
    }

    #[test]
    fn numbers_move_up() {
        let mut watched = Watched::default();
        watched.set(&set("3,5,9"));
        assert_eq!(watched.hear(Event::Expunged(2)), Heard::Gone(set("5")));
        assert_eq!(watched.hear(Event::Expunged(2)), Heard::Gone(set("9")));
        assert_eq!(watched.hear(Event::Exists(1)), Heard::Nothing);
        assert_eq!(watched.hear(Event::Exists(2)), Heard::Look);
        assert_eq!(
            watched.compare(&set("3,12")),
            (set("12"), UidSet::default())
        );
        watched.add(12);
        assert_eq!(
            watched.hear(Event::Vanished(set("1:4"))),
            Heard::Gone(set("3"))
        );
        // What was not told yet is new again.
        for _ in 0..2 {
            let (new, gone) = watched.compare(&set("13"));
            assert_eq!((new, gone.contains(13)), (set("13"), false));
        }
    }

    #[test]
    fn what_makes_no_sense_is_looked_at() {
        let mut watched = Watched::default();
        watched.set(&set("3"));
        for number in [0, 2, u32::MAX] {
            assert_eq!(watched.hear(Event::Expunged(number)), Heard::Look);
        }
        assert_eq!(watched.hear(Event::Exists(0)), Heard::Look);
    }

    #[test]
    fn flags_are_of_the_message_with_the_number() {
        let mut watched = Watched::default();
        watched.set(&set("3,7"));
        let flags = vec![Flag::new("\\Seen").unwrap()];
        let mut attributes = Attributes {
            flags: Some(flags.clone()),
            ..Attributes::default()
        };
        let event = |attributes: &Attributes| Event::Message(2, Box::new(attributes.clone()));
        assert_eq!(
            watched.hear(event(&attributes)),
            Heard::Flags(7, flags.clone())
        );
        attributes.uid = Some(3);
        assert_eq!(watched.hear(event(&attributes)), Heard::Flags(3, flags));
        attributes.flags = None;
        assert_eq!(watched.hear(event(&attributes)), Heard::Nothing);
    }
}
