//! Whether a name on the server is taken, so that nothing is overwritten unasked.

use proto_ftp::{Line, No, Path, Session};
use proto_transport::{Error, Result};

use super::{folder_of, last_part, lasting};

/// Fails if something has this name, or if nothing tells whether something has.
pub fn refuse_taken(session: &mut Session, path: &Path) -> Result<()> {
    match is_taken(session, path)? {
        false => Ok(()),
        true => {
            let why = format!("{path} exists; --force replaces it");
            Err(lasting(session, "looking for the file", why))
        }
    }
}

/// Whether something has this name, by the first that the server knows of MLST, SIZE and MDTM
/// (RFC 3659), and else the listing of the folder. A file that is busy is no answer, and an error.
pub fn is_taken(session: &mut Session, path: &Path) -> Result<bool> {
    let answers: [fn(&mut Session, &Path) -> Result<bool>; 3] = [
        |session, path| session.facts(path).map(|entry| entry.is_some()),
        |session, path| session.size(path).map(|_| true),
        |session, path| session.modified(path).map(|_| true),
    ];
    // Without this feature, `facts` tells nothing.
    let first = usize::from(!session.features().offers("MLST"));
    for answer in answers.iter().skip(first) {
        match answer(session, path) {
            Err(error) if is_denial(&error) || is_unknown(&error) => {}
            Err(error) if No::of(&error) == Some(No::Missing) => return Ok(false),
            result => return result,
        }
    }
    is_listed(session, path)
}

/// Whether it is the question that is not allowed: 550 stands for that, too, and only its text tells.
fn is_denial(error: &Error) -> bool {
    let Error::Refused { reply, .. } = error else {
        return false;
    };
    let reply = reply.to_ascii_lowercase();
    let words = ["denied", "permission", "not allowed", "not permitted"];
    !error.is_transient() && words.iter().any(|word| reply.contains(word))
}

/// Whether the server does not say, for good, because of the command and not because of the file.
fn is_unknown(error: &Error) -> bool {
    let is_about = matches!(
        No::of(error),
        Some(No::Unsupported | No::Name | No::Other | No::NoSpace)
    );
    is_about && !error.is_transient()
}

/// Whether the folder's listing has the name. Names that differ in case may be the same there.
fn is_listed(session: &mut Session, path: &Path) -> Result<bool> {
    let name = last_part(path);
    let (mut is_there, mut is_clear) = (false, true);
    session.show_hidden(name.starts_with(b"."));
    let listed = session.list(folder_of(path)?.as_ref(), &mut |line| {
        match line {
            Line::Entry(entry) => is_there |= entry.name.eq_ignore_ascii_case(name),
            Line::Nothing => {}
            Line::Unknown(_) | Line::BadName(_) => is_clear = false,
        }
        Ok(())
    });
    session.show_hidden(false);
    match (listed, is_there || is_clear) {
        (Ok(()), true) => Ok(is_there),
        (Err(error), _) if !matches!(error, Error::Refused { .. }) || error.is_transient() => {
            Err(error)
        }
        _ => {
            let why = format!(
                "the server does not tell whether {path} exists; with --force, that is no matter"
            );
            Err(lasting(session, "looking for the file", why))
        }
    }
}
