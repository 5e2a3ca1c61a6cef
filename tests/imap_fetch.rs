//! `proto imap-fetch`.
