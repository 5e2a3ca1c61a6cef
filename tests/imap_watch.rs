//! `proto imap-watch`.
