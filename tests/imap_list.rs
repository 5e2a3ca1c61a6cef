//! `proto imap-list`.
