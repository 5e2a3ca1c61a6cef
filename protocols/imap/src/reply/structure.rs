//! BODYSTRUCTURE (RFC 9051 section 7.5.2): the parts of a message, and what they hold.

use proto_transport::escape::escaped;

use super::envelope::Envelope;
use super::list_of;
use crate::syntax::{Fault, Parsed, Tokens, DEPTH};

/// A message's structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Structure {
    /// Several parts.
    Multipart {
        /// What kind: `mixed`, `alternative`, …, in lower case.
        subtype: String,
        /// The parts.
        parts: Vec<Structure>,
        /// Such as `boundary`; empty in the short form.
        parameters: Parameters,
    },
    /// One part.
    Part(Box<Part>),
}

/// Names, in lower case, and values.
pub type Parameters = Vec<(String, Vec<u8>)>;

/// One part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// `type/subtype`, in lower case.
    pub media_type: String,
    /// Such as `charset` and `name`.
    pub parameters: Parameters,
    /// `Content-ID`.
    pub id: Option<Vec<u8>>,
    /// `Content-Description`.
    pub description: Option<Vec<u8>>,
    /// `Content-Transfer-Encoding`, in lower case.
    pub encoding: String,
    /// Octets, as they are encoded: a hint.
    pub size: u64,
    /// Lines, of text and messages.
    pub lines: Option<u64>,
    /// The message that the part is.
    pub message: Option<(Envelope, Structure)>,
    /// `Content-Disposition`: `attachment` or the like, in lower case, and `filename`.
    pub disposition: Option<(String, Parameters)>,
}

impl Structure {
    /// `body = "(" (body-type-1part / body-type-mpart) ")"`
    pub(crate) fn parse(tokens: &mut Tokens<'_>) -> Parsed<Structure> {
        Structure::at_depth(tokens, DEPTH)
    }

    fn at_depth(tokens: &mut Tokens<'_>, depth: usize) -> Parsed<Structure> {
        let depth = depth.checked_sub(1);
        let depth = depth.ok_or(Fault("parts are nested at most 64 deep"))?;
        tokens.open()?;
        match tokens.is_at_list() {
            true => multipart(tokens, depth),
            false => part(tokens, depth).map(|part| Structure::Part(Box::new(part))),
        }
    }

    /// Each part with the number that a section names it by (RFC 9051 section 6.4.5.1), in order.
    pub fn parts(&self) -> Vec<(String, &Part)> {
        let mut all = Vec::new();
        self.collect("", &mut all);
        all
    }

    fn collect<'s>(&'s self, prefix: &str, all: &mut Vec<(String, &'s Part)>) {
        let numbered = |number: usize| match prefix {
            "" => number.to_string(),
            _ => format!("{prefix}.{number}"),
        };
        match self {
            Structure::Multipart { parts, .. } => {
                for (index, part) in parts.iter().enumerate() {
                    let number = numbered(index + 1);
                    match part {
                        Structure::Part(part) => part.collect(number, all),
                        Structure::Multipart { .. } => part.collect(&number, all),
                    }
                }
            }
            Structure::Part(part) => part.collect(numbered(1), all),
        }
    }
}

impl Part {
    fn collect<'s>(&'s self, number: String, all: &mut Vec<(String, &'s Part)>) {
        all.push((number.clone(), self));
        if let Some((_, structure)) = &self.message {
            structure.collect(&number, all);
        }
    }
}

/// `body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]`
fn multipart(tokens: &mut Tokens<'_>, depth: usize) -> Parsed<Structure> {
    let mut parts = Vec::new();
    while tokens.is_at_list() {
        parts.push(Structure::at_depth(tokens, depth)?);
    }
    let subtype = word(tokens)?;
    let parameters = match tokens.closes()? {
        true => Vec::new(),
        false => {
            let parameters = parameters(tokens)?;
            pass_over_rest(tokens)?;
            parameters
        }
    };
    Ok(Structure::Multipart {
        subtype,
        parts,
        parameters,
    })
}

/// `body-type-1part = media-type SP media-subtype SP body-fields … [SP body-ext-1part]`
fn part(tokens: &mut Tokens<'_>, depth: usize) -> Parsed<Part> {
    let media_type = format!("{}/{}", word(tokens)?, word(tokens)?);
    let mut part = Part {
        parameters: parameters(tokens)?,
        id: tokens.nstring()?.map(|text| text.into_owned()),
        description: tokens.nstring()?.map(|text| text.into_owned()),
        encoding: word(tokens)?,
        size: count(tokens)?.unwrap_or(0),
        media_type,
        ..Part::default()
    };
    let is_message = matches!(
        part.media_type.as_str(),
        "message/rfc822" | "message/global"
    );
    // A message that the server could not take apart is said as if it were any other part.
    if is_message && tokens.is_at_list() {
        let envelope = Envelope::parse(tokens)?;
        part.message = Some((envelope, Structure::at_depth(tokens, depth)?));
        part.lines = count(tokens)?;
    } else if part.media_type.starts_with("text/") && tokens.rest().first() != Some(&b')') {
        part.lines = count(tokens)?;
    }
    // `body-ext-1part = md5 [SP disposition [SP language [SP location *extension]]]`
    if tokens.closes()? {
        return Ok(part);
    }
    tokens.skip()?;
    if tokens.closes()? {
        return Ok(part);
    }
    part.disposition = disposition(tokens)?;
    pass_over_rest(tokens)?;
    Ok(part)
}

/// `"(" string SP body-fld-param ")" / nil`
fn disposition(tokens: &mut Tokens<'_>) -> Parsed<Option<(String, Parameters)>> {
    if !tokens.is_at_list() {
        return tokens.skip().map(|()| None);
    }
    tokens.open()?;
    let kind = word(tokens)?;
    let parameters = match tokens.closes()? {
        true => return Ok(Some((kind, Vec::new()))),
        false => parameters(tokens)?,
    };
    pass_over_rest(tokens)?;
    Ok(Some((kind, parameters)))
}

/// `"(" string SP string *(SP string SP string) ")" / nil`
fn parameters(tokens: &mut Tokens<'_>) -> Parsed<Parameters> {
    if !tokens.is_at_list() {
        return tokens.skip().map(|()| Vec::new());
    }
    list_of(tokens, |tokens| {
        let name = word(tokens)?;
        let value = tokens.nstring()?.unwrap_or_default().into_owned();
        Ok((name, value))
    })
}

/// A number, or NIL where the server does not know.
fn count(tokens: &mut Tokens<'_>) -> Parsed<Option<u64>> {
    match tokens.takes_nil() {
        true => Ok(None),
        false => tokens.number().map(Some),
    }
}

fn word(tokens: &mut Tokens<'_>) -> Parsed<String> {
    let text = tokens.nstring()?.unwrap_or_default();
    Ok(escaped(&text).to_ascii_lowercase())
}

fn pass_over_rest(tokens: &mut Tokens<'_>) -> Parsed<()> {
    while !tokens.closes()? {
        tokens.skip()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Parsed<Structure> {
        Structure::parse(&mut Tokens::new(text.as_bytes()))
    }

    fn shown(text: &str) -> String {
        let structure = parse(text).unwrap();
        let one = |(number, part): (String, &Part)| {
            let lines = part
                .lines
                .map(|lines| format!("/{lines}"))
                .unwrap_or_default();
            format!("{number}:{}:{}{lines}", part.media_type, part.size)
        };
        structure
            .parts()
            .into_iter()
            .map(one)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// RFC 9051 section 7.5.2.
    const MIXED: &str = "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1152 23)\
        (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\" \"NAME\" \"cc.diff\") \
        \"<960723163407.20117h@cac.washington.edu>\" \"Compiler diff\" \"BASE64\" 4554 73) \"MIXED\")";

    /// RFC 9051 section 6.4.5.1 has a message with these parts.
    const NESTED: &str = "((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 1 1 NIL NIL NIL NIL)\
        (\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 99 \
        (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) \
        ((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 3 1)(\"IMAGE\" \"GIF\" NIL NIL NIL \"BASE64\" 4 \
        NIL (\"ATTACHMENT\" (\"FILENAME\" \"a.gif\")) (\"EN\" \"DE\") NIL \"x\" (1 2)) \"MIXED\" (\"BOUNDARY\" \"b\") NIL) 8)\
        (\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 9 NIL NIL NIL) \"MIXED\" (\"BOUNDARY\" \"x\"))";

    #[test]
    fn the_examples_of_the_rfc() {
        assert_eq!(shown(MIXED), "1:text/plain:1152/23 2:text/plain:4554/73");
        let text = "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3028 92)";
        assert_eq!(shown(text), "1:text/plain:3028/92");
        assert_eq!(
            shown(NESTED),
            "1:text/plain:1/1 2:message/rfc822:99/8 2.1:text/plain:3/1 2.2:image/gif:4 3:message/rfc822:9"
        );
        let structure = parse(NESTED).unwrap();
        let parts = structure.parts();
        let (kind, parameters) = parts[3].1.disposition.clone().unwrap();
        assert_eq!(
            (kind.as_str(), parameters[0].0.as_str()),
            ("attachment", "filename")
        );
        assert_eq!(parameters[0].1, b"a.gif");
    }

    #[test]
    fn no_prefix_is_a_structure() {
        for text in [MIXED, NESTED] {
            for end in 0..text.len() {
                assert!(parse(&text[..end]).is_err());
            }
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let leaf = "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 1 1)";
        let nested =
            |depth: usize| format!("{}{leaf}{}", "(".repeat(depth), " \"MIXED\")".repeat(depth));
        assert!(parse(&nested(DEPTH - 1)).is_ok());
        assert!(parse(&nested(DEPTH)).is_err());
        assert!(parse(&"(".repeat(200_000)).is_err());
    }
}
