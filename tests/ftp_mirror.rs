//! `proto ftp-mirror`.
