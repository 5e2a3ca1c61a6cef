//! Lines of the overview (RFC 3977 section 8): fields of articles without the articles.

use crate::argument::number;

/// Fields of a line that are looked at; real servers have a dozen.
const MOST_FIELDS: usize = 100;

/// The fields that every overview begins with (RFC 3977 section 8.4.2).
const STANDARD: [&str; 7] = [
    "Subject",
    "From",
    "Date",
    "Message-ID",
    "References",
    ":bytes",
    ":lines",
];

/// Which fields a server's overview has, behind the number. At most 100 are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverviewFormat(Vec<String>);

/// The seven fields that every server has.
impl Default for OverviewFormat {
    fn default() -> OverviewFormat {
        OverviewFormat(STANDARD.map(str::to_owned).to_vec())
    }
}

impl OverviewFormat {
    /// A format of no fields, to be filled from the lines of LIST OVERVIEW.FMT.
    pub(crate) fn empty() -> OverviewFormat {
        OverviewFormat(Vec::new())
    }

    /// Adds a line: `header-name ":" ["full"] / metadata-name`. Old servers write `Bytes:` and
    /// `Lines:` for the metadata.
    pub(crate) fn add(&mut self, line: &[u8]) {
        if self.0.len() >= MOST_FIELDS {
            return;
        }
        let text = String::from_utf8_lossy(line);
        let text = text.trim();
        let name = match text.strip_prefix(':') {
            Some(_) => text,
            None => text.split(':').next().unwrap_or_default(),
        };
        let is_fixed = self.0.len() < STANDARD.len();
        let name = match name.to_ascii_lowercase().as_str() {
            "bytes" if is_fixed => ":bytes",
            "lines" if is_fixed => ":lines",
            _ => name,
        };
        self.0.push(name.to_owned());
    }

    /// The names of the fields, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Where a field is.
    fn position(&self, name: &str) -> Option<usize> {
        let mut names = self.0.iter();
        names.position(|known| known.eq_ignore_ascii_case(name))
    }
}

/// What the overview has of an article. Texts are as the server sent them: in any charset, and not
/// harmless on a terminal before they are escaped.
#[derive(Debug, Clone, Copy)]
pub struct Overview<'l> {
    /// The article's number in the group; 0 if it was asked for by message-id.
    pub number: u64,
    fields: &'l [u8],
    format: &'l OverviewFormat,
}

impl<'l> Overview<'l> {
    /// `article-number 1*(TAB hdr-content)`
    pub fn parse(line: &'l [u8], format: &'l OverviewFormat) -> Option<Overview<'l>> {
        let end = line.iter().position(|byte| *byte == b'\t')?;
        let (digits, fields) = line.split_at(end);
        Some(Overview {
            number: number(digits.trim_ascii())?,
            fields: fields.get(1..)?,
            format,
        })
    }

    /// A field by its name, in any case: `Subject`, `:bytes`, `Xref`. Empty and missing fields are
    /// `None`; those that a server adds come with their name in the line, and without it from here.
    pub fn get(&self, name: &str) -> Option<&'l [u8]> {
        let position = self.format.position(name)?;
        let field = self.fields.split(|byte| *byte == b'\t').nth(position)?;
        let value = match position < STANDARD.len() {
            true => field,
            false => without_name(field, name)?,
        };
        Some(value.trim_ascii()).filter(|value| !value.is_empty())
    }

    /// A field that is a number: `:bytes` or `:lines`. It is only a hint (RFC 3977 section 8.1.1).
    pub fn number_of(&self, name: &str) -> Option<u64> {
        number(self.get(name)?)
    }
}

/// `[(header-name ":" / metadata-name) SP hdr-content]`. A field under another's name is none.
fn without_name<'l>(field: &'l [u8], name: &str) -> Option<&'l [u8]> {
    let (start, rest) = field.split_at_checked(name.len())?;
    let rest = match name.starts_with(':') {
        true => rest.strip_prefix(b" "),
        false => rest.strip_prefix(b":"),
    };
    rest.filter(|_| start.eq_ignore_ascii_case(name.as_bytes()))
}

/// A line of HDR: `article-number [SP hdr-content]`. XHDR by message-id has that in the place of the
/// number, which is 0 then.
pub(crate) fn header_line(line: &[u8]) -> Option<(u64, &[u8])> {
    let end = line.iter().position(|byte| *byte == b' ');
    let (first, value) = line.split_at(end.unwrap_or(line.len()));
    let number = match first {
        [b'<', .., b'>'] => 0,
        digits => number(digits)?,
    };
    // Some old servers have this in the place of an empty field.
    let value = value.trim_ascii();
    Some((number, if value == b"(none)" { b"" } else { value }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(lines: &[&str]) -> OverviewFormat {
        let mut format = OverviewFormat::empty();
        for line in lines {
            format.add(line.as_bytes());
        }
        format
    }

    /// RFC 3977 section 8.4.3, in both of its forms.
    fn formats() -> [OverviewFormat; 2] {
        let start = ["Subject:", "From:", "Date:", "Message-ID:", "References:"];
        let preferred = [":bytes", ":lines", "Xref:full", "Distribution:full"];
        let other = ["Bytes:", "Lines:", "Xref:FULL", "Distribution:FULL"];
        [preferred, other].map(|end| format(&[&start[..], &end[..]].concat()))
    }

    /// RFC 3977 section 8.3.3, with its bars made TABs again.
    const LINES: [&str; 3] = [
        "3000234|I am just a test article|\"Demo User\" <nobody@example.com>|\
         6 Oct 1998 04:38:40 -0500|<45223423@example.com>|<45454@example.net>|1234|17|\
         Xref: news.example.com misc.test:3000363",
        "3000235|Another test article|nobody@nowhere.to (Demo User)|6 Oct 1998 04:38:45 -0500|\
         <45223425@to.to>||4818|37||Distribution: fi",
        "3000238|Re: I am just a test article|somebody@elsewhere.to|7 Oct 1998 11:38:40 +1200|\
         <kfwer3v@elsewhere.to>|<45223423@to.to>|9234|51",
    ];

    #[test]
    fn the_example_of_the_rfc() {
        let lines = LINES.map(|line| line.replace('|', "\t"));
        for format in formats() {
            let overviews = lines
                .each_ref()
                .map(|line| Overview::parse(line.as_bytes(), &format).unwrap());
            let all = |name: &str| {
                overviews.map(|line| {
                    line.get(name)
                        .map(|value| String::from_utf8_lossy(value).into_owned())
                })
            };
            assert_eq!(
                overviews.map(|line| line.number),
                [3_000_234, 3_000_235, 3_000_238]
            );
            assert_eq!(
                overviews.map(|line| line.number_of(":bytes")),
                [1234, 4818, 9234].map(Some)
            );
            assert_eq!(
                overviews.map(|line| line.number_of(":LINES")),
                [17, 37, 51].map(Some)
            );
            assert_eq!(all("subject")[1].as_deref(), Some("Another test article"));
            assert_eq!(
                all("from")[0].as_deref(),
                Some("\"Demo User\" <nobody@example.com>")
            );
            assert_eq!(all("references")[1], None);
            assert_eq!(
                all("xref")[0].as_deref(),
                Some("news.example.com misc.test:3000363")
            );
            assert_eq!(all("xref")[1..], [None, None]);
            assert_eq!(all("Distribution")[1].as_deref(), Some("fi"));
            assert_eq!(all("Lines"), [None, None, None]);
        }
    }

    #[test]
    fn a_field_under_another_name_is_none() {
        let format = &formats()[0];
        let line = b"1\ta\tb\tc\td\te\t1\t2\tX-Other: misc.test:5\tDistribution: \xe9";
        let overview = Overview::parse(line, format).unwrap();
        assert_eq!(overview.get("Xref"), None);
        assert_eq!(overview.get("Distribution"), Some(&b"\xe9"[..]));
        assert_eq!(overview.get("Path"), None);
    }

    #[test]
    fn broken_lines_do_no_harm() {
        let format = OverviewFormat::default();
        for wrong in [
            &b""[..],
            b"1",
            b"\t",
            b"x\ta",
            b"-1\ta",
            b"18446744073709551616\ta",
            b"1 2\ta",
        ] {
            assert!(Overview::parse(wrong, &format).is_none());
        }
        let short = Overview::parse(b"1\tonly", &format).unwrap();
        assert_eq!(
            (short.get("Subject"), short.get("From")),
            (Some(&b"only"[..]), None)
        );
        let long = [&b"7"[..], &b"\tx".repeat(100_000)].concat();
        let long = Overview::parse(&long, &format).unwrap();
        assert_eq!(long.get(":lines"), Some(&b"x"[..]));
        assert_eq!(long.number_of(":lines"), None);
        let line = LINES[1].replace('|', "\t");
        for length in 0..=line.len() {
            if let Some(overview) = Overview::parse(&line.as_bytes()[..length], &format) {
                let _ = (overview.get("Subject"), overview.number_of(":lines"));
            }
        }
    }

    #[test]
    fn a_format_has_no_fields_without_end() {
        let format = format(&["X:full"; 1000]);
        assert_eq!(format.names().count(), 100);
        assert!(OverviewFormat::default().names().eq(STANDARD));
    }

    #[test]
    fn header_lines_of_the_rfc() {
        // RFC 3977 section 8.5.3; RFC 2980 section 2.6 for those with a message-id.
        for (line, number, value) in [
            (
                "3000234 I am just a test article",
                3_000_234,
                "I am just a test article",
            ),
            ("3000235", 3_000_235, ""),
            ("3000235 ", 3_000_235, ""),
            (
                "3000237 Re: I am just a test article",
                3_000_237,
                "Re: I am just a test article",
            ),
            ("3000238 2378", 3_000_238, "2378"),
            ("0 I am just a test article", 0, "I am just a test article"),
            ("<87623@baz.UUCP> yes", 0, "yes"),
            ("5 (none)", 5, ""),
        ] {
            assert_eq!(
                header_line(line.as_bytes()),
                Some((number, value.as_bytes())),
                "{line}"
            );
        }
        for wrong in ["", " 5", "x y", "-1 a", "<a y"] {
            assert_eq!(header_line(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
