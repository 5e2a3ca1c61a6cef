//! A file that is whole on the server gets its name. At no time is neither it nor the one that it
//! replaces there.

use std::time::{SystemTime, UNIX_EPOCH};

use proto_ftp::{No, Path, Session};
use proto_transport::certificate::hexadecimal;
use proto_transport::{Error, Result};
use sha2::{Digest, Sha256};

use super::Sending;
use crate::ftp::presence::is_taken;
use crate::report::{Record, Stage};

/// Why a file has not got its name.
pub(super) enum Unnamed {
    /// The server renames nothing, or not this.
    Unable(Error),
    /// It renames, and not to this name, or not now.
    Failed(Error),
}

impl From<Error> for Unnamed {
    fn from(error: Error) -> Unnamed {
        Unnamed::Failed(error)
    }
}

impl Sending<'_> {
    /// Gives the file its name. While that fails, what has the name keeps it.
    pub fn name(
        &self,
        session: &mut Session,
        record: &mut Record,
    ) -> std::result::Result<(), Unnamed> {
        record.stage = Stage::Store;
        let no = match self.rename(session) {
            Err(error) if is_lasting(&error) => error,
            result => return result.map_err(|error| self.kept(error).into()),
        };
        if No::of(&no) == Some(No::Unsupported) {
            return Err(Unnamed::Unable(no));
        }
        match session.may_rename(&self.meanwhile) {
            Err(error) if is_lasting(&error) => return Err(Unnamed::Unable(error)),
            result => result?,
        }
        if !self.uploads.force {
            return Err(self.kept(no).into());
        }
        self.replace(session, no).map_err(Unnamed::Failed)
    }

    /// Asks for the name. Without an answer it is not known whether the file has it.
    fn rename(&self, session: &mut Session) -> Result<()> {
        let learned = &self.uploads.learned;
        learned.named().insert(self.path.clone());
        let result = session.rename(&self.meanwhile, self.path);
        if matches!(result, Ok(()) | Err(Error::Refused { .. })) {
            learned.named().remove(self.path);
        }
        result
    }

    /// Whether the file got its name before the connection was lost: what has the name is as large,
    /// and nothing has the other one.
    pub fn has_name(&self, session: &mut Session) -> Result<bool> {
        let size = session.about(self.path)?.size;
        let is_like = size.is_some() && size == self.size;
        Ok(is_like && !is_taken(session, &self.meanwhile)?)
    }

    /// Some servers do not rename over a file. That one gets another name until the new one has its
    /// own.
    fn replace(&self, session: &mut Session, no: Error) -> Result<()> {
        let (path, say) = (self.path, |text: &str| self.uploads.progress.say(text));
        // A folder is not replaced by a file, and where there is nothing, nothing is in the way.
        match session.is_folder(path) {
            Ok(true) | Err(Error::Refused { .. }) => return Err(self.kept(no)),
            result => result?,
        };
        let aside = self.aside()?;
        match session.rename(path, &aside) {
            Ok(()) => {}
            // There is nothing in the way, or it stays there.
            Err(Error::Refused { .. }) => return Err(self.kept(no)),
            Err(error) => {
                say(&format!("proto: {path} may be called {aside} now"));
                return Err(error);
            }
        }
        if let Err(error) = self.rename(session) {
            if session.rename(&aside, path).is_err() {
                say(&format!("proto: what was called {path} is now {aside}"));
            }
            return Err(self.kept(error));
        }
        if let Err(error) = session.delete(&aside) {
            say(&format!("proto: the old {path} stays as {aside}: {error}"));
        }
        Ok(())
    }

    /// A name that nothing has.
    fn aside(&self) -> Result<Path> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let about = format!("{now:?} {} {}", std::process::id(), self.meanwhile);
        let digest = hexadecimal(&Sha256::digest(about.as_bytes()));
        let mark = format!(".{}.old", digest.get(..8).unwrap_or_default());
        Path::new([self.path.as_bytes(), mark.as_bytes()].concat())
    }

    /// The error with word of what is there.
    pub fn kept(&self, error: Error) -> Error {
        let there = &self.meanwhile;
        error.advised(&format!(
            "all of it is there as {there}, and a later run goes on with that; --direct does without \
             renaming"
        ))
    }
}

/// Whether it is a no about this, for good.
fn is_lasting(error: &Error) -> bool {
    let is_no = matches!(error, Error::Refused { .. }) && !error.is_transient();
    is_no && !super::super::ends_all(error)
}
