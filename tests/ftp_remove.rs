//! `proto ftp-remove`.
