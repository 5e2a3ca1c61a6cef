//! Hostile IMAP servers.
