//! `proto imap-search`.
