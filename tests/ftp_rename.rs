//! `proto ftp-rename`.
