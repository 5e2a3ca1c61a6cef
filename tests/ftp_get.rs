//! `proto ftp-get`.
