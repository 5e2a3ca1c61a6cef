//! What a client has told of itself.

/// What a client has told of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Columns and rows of its window.
    pub window: Option<(u16, u16)>,
    /// What its terminal is called.
    pub terminal: Option<String>,
    /// Its variables, with their values where they have one.
    pub variables: Vec<(String, Option<String>)>,
    /// The options that it does.
    pub does: Vec<u8>,
    /// The options that it wants of us.
    pub wants: Vec<u8>,
}

impl Facts {
    /// Notes that the client does, or wants, an option, or does not; whether that is new.
    pub fn note(options: &mut Vec<u8>, code: u8, is_on: bool) -> bool {
        let was_on = options.contains(&code);
        if is_on && !was_on {
            options.push(code);
            options.sort_unstable();
        } else if !is_on {
            options.retain(|known| *known != code);
        }
        was_on != is_on
    }

    /// Reads RFC 1572's list of variables.
    pub fn take_variables(&mut self, bytes: &[u8]) {
        // VAR 0, VALUE 1, ESC 2, USERVAR 3.
        let (mut name, mut value): (Option<Vec<u8>>, Option<Vec<u8>>) = (None, None);
        let mut bytes = bytes.iter();
        let mut variables = Vec::new();
        let mut end = |name: Option<Vec<u8>>, value: Option<Vec<u8>>| {
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            if let Some(name) = name {
                variables.push((text(name), value.map(text)));
            }
        };
        while let Some(byte) = bytes.next() {
            match byte {
                0 | 3 => {
                    end(name.take(), value.take());
                    name = Some(Vec::new());
                }
                1 => value = Some(Vec::new()),
                byte => {
                    let byte = match byte {
                        2 => bytes.next().copied().unwrap_or_default(),
                        byte => *byte,
                    };
                    match (&mut value, &mut name) {
                        (Some(value), _) => value.push(byte),
                        (None, Some(name)) => name.push(byte),
                        (None, None) => {}
                    }
                }
            }
        }
        end(name, value);
        self.variables = variables;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_have_names_and_perhaps_values() {
        let mut facts = Facts::default();
        facts.take_variables(b"\0USER\x01fred\x03A\x02\x01B\x03C\x01");
        let pair = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        assert_eq!(
            facts.variables,
            [
                pair("USER", Some("fred")),
                pair("A\x01B", None),
                pair("C", Some(""))
            ]
        );
    }
}
