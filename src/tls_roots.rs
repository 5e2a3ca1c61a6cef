//! The system's trusted roots, without their cost.
//!
//! OpenSSL on Debian parses a bundle of some 150 certificates for every process that may speak TLS,
//! twice, in about 40 ms. The same certificates lie in a folder of hashed names, of which it
//! reads only the one that it needs. Two environment variables make it do so. The bundle may still
//! hold an authority that the folder lacks, so it is read when nobody else vouches for a peer.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const FILE: &str = "SSL_CERT_FILE";
const FOLDER: &str = "SSL_CERT_DIR";

/// Where Debian and its relatives keep both forms.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
const HASHED: &str = "/etc/ssl/certs";

/// A bundle below this is parsed in no time, and is left to OpenSSL.
const LARGE: u64 = 64 * 1024;

/// What was changed.
struct Prepared {
    bundle: PathBuf,
    file: Option<OsString>,
    folder: Option<OsString>,
}

static PREPARED: OnceLock<Prepared> = OnceLock::new();

/// Points OpenSSL at the hashed folder. To be called before there is a second thread: another one
/// might read the environment meanwhile.
pub fn prepare() {
    let (file, folder) = (env::var_os(FILE), env::var_os(FOLDER));
    let bundle = file.as_ref().map_or(PathBuf::from(BUNDLE), PathBuf::from);
    let hashed = folder.as_ref().map_or(PathBuf::from(HASHED), PathBuf::from);
    let large = fs::metadata(&bundle).is_ok_and(|metadata| metadata.len() >= LARGE);
    if large && is_hashed(&hashed) {
        env::set_var(FILE, "/dev/null");
        env::set_var(FOLDER, &hashed);
        // Called once, so this cannot have been set before.
        let _ = PREPARED.set(Prepared {
            bundle,
            file,
            folder,
        });
    }
}

/// The bundle that OpenSSL was kept from reading, if it was.
pub fn bundle() -> Option<PathBuf> {
    PREPARED.get().map(|prepared| prepared.bundle.clone())
}

/// Gives a child process the environment that we were given.
pub fn restore(command: &mut Command) {
    let Some(prepared) = PREPARED.get() else {
        return;
    };
    for (name, value) in [(FILE, &prepared.file), (FOLDER, &prepared.folder)] {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

/// The hashed names of roots that every system trusts (ISRG Root X1, DigiCert Global Root G2): a look
/// for one of them is cheaper than reading the folder.
const COMMON: [&str; 2] = ["4042bcee.0", "607986c7.0"];

/// Whether a folder holds certificates under the hashes of their names: `0a775a30.0`.
fn is_hashed(folder: &Path) -> bool {
    if COMMON.iter().any(|name| folder.join(name).exists()) {
        return true;
    }
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
