//! `proto imap-move`.
