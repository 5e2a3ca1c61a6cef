//! Deleting at the destination what the source has not: only on request, only so much, and only if
//! the source is known whole.

use proto_transport::{Error, Result};

use super::Mirror;

/// What is deleted.
#[derive(clap::Args)]
#[command(next_help_heading = "Deleting")]
pub struct DeleteArgs {
    /// Delete at the destination what the source has not
    #[arg(long)]
    pub delete: bool,
    /// Delete nothing if it would be more than so many files and folders
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub max_delete: usize,
}

impl Mirror<'_> {
    /// Whether so many files and folders may be deleted.
    pub fn may_delete(&self, count: usize) -> Result<bool> {
        if count == 0 || !self.args.delete.delete {
            return Ok(false);
        }
        if self.way.tally.failures() > 0 {
            let why = "nothing is deleted, because not everything went well";
            self.way.fleet.progress.say(&format!("proto: {why}"));
            return Ok(false);
        }
        self.is_within_limit(count).map(|()| true)
    }

    /// Fails if too much would be deleted. Asked before anything is copied.
    pub fn is_within_limit(&self, count: usize) -> Result<()> {
        let limit = self.args.delete.max_delete;
        match self.args.delete.delete && count > limit {
            true => Err(Error::TooLarge {
                what: format!("what would be deleted ({count}; see --max-delete)"),
                limit: limit as u64,
            }),
            false => Ok(()),
        }
    }
}
