//! `proto imap-append`.
