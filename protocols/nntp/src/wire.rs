//! One command and its reply, and the lines of a block: what client and session stand on.

use proto_transport::{Connection, Dotted, Error, Refusal, Result, StatusReply};

use crate::reply::status;
use crate::request::Request;

/// Lines of a block that are handed on at most. A list is not held, so that this bounds time alone:
/// the largest servers have 200,000 groups, and groups have 10,000,000 articles.
const MOST_LINES: u64 = 100_000_000;

/// Octets of such a block at most: 64 GiB.
const MOST_OCTETS: u64 = 64 << 30;

/// Hears one reply.
pub(crate) fn hear(connection: &mut Connection) -> Result<StatusReply> {
    let line = connection.read_line()?;
    if let Some(reply) = status(line) {
        return Ok(reply);
    }
    let line = line.to_vec();
    Err(connection.malformed("a reply begins with three digits", &line))
}

/// Says a command and hears its reply.
pub(crate) fn ask(connection: &mut Connection, request: &Request) -> Result<StatusReply> {
    connection.expect_quiet()?;
    connection.write_line(request.to_string())?;
    hear(connection)
}

/// The reply if it has this code, or else the error that it is. Whether lines follow is known by
/// the code alone (RFC 3977 section 3.2), so that any other yes is none.
pub(crate) fn expect(
    connection: &Connection,
    reply: StatusReply,
    code: u16,
) -> Result<StatusReply> {
    if reply.code == code {
        return Ok(reply);
    }
    Err(no(connection, &reply, code))
}

/// What a reply that is not the expected one means.
pub(crate) fn no(connection: &Connection, reply: &StatusReply, expected: u16) -> Error {
    let refusal = match reply.code {
        // RFC 3977 section 3.2.1, and RFC 2980 section 3.1 for 450 and 452.
        483 => {
            return Error::Insecure {
                peer: connection.peer().to_owned(),
                doing: "asking for what needs TLS".to_owned(),
                why: format!("{reply}; nntps:// is TLS from the first byte, see also --starttls"),
                certificate: false,
            }
        }
        480 | 450 | 481 | 482 | 452 => Refusal::Credentials,
        400 | 403 | 436 => Refusal::Transient,
        401..=599 => Refusal::Lasting,
        _ => {
            return connection.malformed(
                format!("the reply must be {expected} or a refusal"),
                reply.to_string().as_bytes(),
            )
        }
    };
    connection.refused(reply.to_string(), refusal)
}

/// Hands on each line of the block that follows, without its line end, cut where it is longer than
/// the connection's limit of lines. An error of `each` leaves the rest unread, and the connection
/// out of step.
pub(crate) fn each_line(
    connection: &mut Connection,
    each: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let limit = connection.limits().line;
    let peer = connection.peer().to_owned();
    let mut body = connection.body(Dotted::default());
    let (mut lines, mut octets) = (0_u64, 0_u64);
    // The beginning of a line whose end is still to come.
    let mut begun = Vec::new();
    while let Some(part) = body.next_part()? {
        octets += part.len() as u64;
        for piece in part.split_inclusive(|byte| *byte == b'\n') {
            let line = match piece.ends_with(b"\n") {
                true if begun.is_empty() => piece,
                is_end => {
                    let room = limit.saturating_add(2).saturating_sub(begun.len());
                    begun.extend_from_slice(piece.get(..room).unwrap_or(piece));
                    if !is_end {
                        continue;
                    }
                    begun.as_slice()
                }
            };
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            each(line.get(..limit).unwrap_or(line))?;
            begun.clear();
            lines += 1;
        }
        for (count, most, unit) in [
            (lines, MOST_LINES, "lines"),
            (octets, MOST_OCTETS, "octets"),
        ] {
            if count > most {
                return Err(Error::TooLarge {
                    what: format!("{peer}: a list, in {unit},"),
                    limit: most,
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_transport::Memory;

    fn lines(heard: &[u8], piece: usize) -> Result<Vec<Vec<u8>>> {
        let mut connection = Connection::over(Memory::in_pieces(heard.chunks(piece)));
        let mut all = Vec::new();
        each_line(&mut connection, &mut |line| {
            all.push(line.to_vec());
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn lines_are_the_same_at_every_cut() {
        let heard = b"one\r\n..two\r\n\r\n...\nfour\r\n.\r\n";
        let wanted: [&[u8]; 5] = [b"one", b".two", b"", b"..", b"four"];
        for piece in 1..=heard.len() {
            assert_eq!(lines(heard, piece).unwrap(), wanted, "{piece}");
        }
        for length in 0..heard.len() {
            let error = lines(&heard[..length], 4).unwrap_err();
            assert!(matches!(error, Error::Closed { .. }), "{length}: {error}");
        }
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_is_whole() {
        let limit = 64 * 1024;
        for long in [
            limit - 1,
            limit,
            limit + 1,
            limit + 2,
            limit + 3,
            10 * limit,
        ] {
            let heard = [&b"x".repeat(long)[..], b"\r\nnext\r\n.\r\n"].concat();
            for piece in [1000, heard.len()] {
                let lines = lines(&heard, piece).unwrap();
                assert_eq!(lines[0].len(), long.min(limit), "{long}");
                assert_eq!(lines[1], b"next");
            }
        }
    }

    #[test]
    fn after_an_error_of_our_own_nothing_is_taken_for_a_reply() {
        let mut connection = Connection::over(Memory::new("a\r\nb\r\n.\r\n205 bye\r\n"));
        let result = each_line(&mut connection, &mut |_| Err(Error::illegal("enough")));
        assert!(result.is_err());
        assert!(ask(&mut connection, &Request::Quit).is_err());
    }
}
