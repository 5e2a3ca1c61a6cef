//! `proto ftp-list`.
