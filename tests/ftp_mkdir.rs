//! `proto ftp-mkdir`.
