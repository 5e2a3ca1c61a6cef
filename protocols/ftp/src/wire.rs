//! One command and its reply: what client and session stand on.

use proto_transport::{Connection, Continuation, Error, Refusal, Result, StatusReply, NOT_RESUMED};

use crate::request::Request;

/// Hears one reply, of any number of lines.
pub(crate) fn hear(connection: &mut Connection) -> Result<StatusReply> {
    StatusReply::read(connection, Continuation::Free)
}

/// Says a command and hears its reply.
pub(crate) fn ask(connection: &mut Connection, request: &Request) -> Result<StatusReply> {
    say(connection, request)?;
    hear(connection)
}

/// Says a command. What came unasked would pass for its reply; only a 421 may come at any time
/// (RFC 959 section 5.4).
pub(crate) fn say(connection: &mut Connection, request: &Request) -> Result<()> {
    if connection.has_unread() {
        let reply = hear(connection)?;
        connection.give_up_sending();
        return Err(match reply.code {
            421 => no(connection, &reply, "another reply"),
            _ => connection.malformed(
                "the server speaks only when asked",
                reply.to_string().as_bytes(),
            ),
        });
    }
    connection.write_line(request.line())
}

/// Says a command that is answered with a reply of these first digits.
pub(crate) fn expect(
    connection: &mut Connection,
    request: &Request,
    prefix: u16,
) -> Result<StatusReply> {
    let reply = ask(connection, request)?;
    match reply.is(prefix) {
        true => Ok(reply),
        false => Err(no(connection, &reply, &prefix.to_string())),
    }
}

/// What a reply that is not the expected one means.
pub(crate) fn no(connection: &Connection, reply: &StatusReply, expected: &str) -> Error {
    let refusal = match reply.code {
        // RFC 2228 section 5, RFC 4217 section 4.
        521 | 522 | 533 | 534 => {
            return Error::Insecure {
                peer: connection.peer().to_owned(),
                doing: "asking for what the server protects otherwise".to_owned(),
                why: format!("{reply}; the server may want TLS; {NOT_RESUMED}"),
                certificate: false,
            }
        }
        332 | 430 | 530 | 532 => Refusal::Credentials,
        400..=499 => Refusal::Transient,
        500..=599 => Refusal::Lasting,
        _ => {
            return connection.malformed(
                format!("the reply must be {expected} or a refusal"),
                reply.to_string().as_bytes(),
            )
        }
    };
    connection.refused(reply.to_string(), refusal)
}
