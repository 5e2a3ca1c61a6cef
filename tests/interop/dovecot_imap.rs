//! IMAP with Dovecot.
