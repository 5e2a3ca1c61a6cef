//! Fetching by IMAP from Dovecot.
