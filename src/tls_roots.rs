//! The system's trusted roots, without their cost.
//!
//! OpenSSL on Debian parses a bundle of some 150 certificates for every process that may speak TLS,
//! twice, in about 40 ms. The same certificates lie in a folder of hashed names, of which it
//! reads only the one that it needs. Two environment variables make it do so.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

const FILE: &str = "SSL_CERT_FILE";
const FOLDER: &str = "SSL_CERT_DIR";
const HASHED: &str = "/etc/ssl/certs";

static PREPARED: AtomicBool = AtomicBool::new(false);

/// Points OpenSSL at the hashed folder, unless the user has pointed it anywhere. To be called before
/// there is a second thread: another one might read the environment meanwhile.
pub fn prepare() {
    let chosen = env::var_os(FILE).is_some() || env::var_os(FOLDER).is_some();
    if !chosen && is_hashed(Path::new(HASHED)) {
        env::set_var(FILE, "/dev/null");
        env::set_var(FOLDER, HASHED);
        PREPARED.store(true, Ordering::Relaxed);
    }
}

/// Takes our variables out of the environment of a child process, which has its own ideas.
pub fn forget(command: &mut Command) {
    if PREPARED.load(Ordering::Relaxed) {
        command.env_remove(FILE).env_remove(FOLDER);
    }
}

/// Whether a folder holds certificates under the hashes of their names: `0a775a30.0`.
fn is_hashed(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.strip_suffix(".0").is_some_and(|hash| {
            hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_hashed_folder_will_do() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_hashed(folder.path()));
        fs::write(folder.path().join("bundle.crt"), "").unwrap();
        fs::write(folder.path().join("notahash.0"), "").unwrap();
        assert!(!is_hashed(folder.path()));
        fs::write(folder.path().join("0a775a30.0"), "").unwrap();
        assert!(is_hashed(folder.path()));
        assert!(!is_hashed(Path::new("/nonexistent")));
    }
}
