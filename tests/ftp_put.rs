//! `proto ftp-put`.
