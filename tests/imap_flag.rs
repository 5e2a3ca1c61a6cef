//! `proto imap-flag`.
