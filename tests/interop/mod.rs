//! Against real servers, on loopback. Where one is not installed its tests say so and pass, except
//! in CI, where nothing may be left out.

mod nginx;

use std::io::Write;
use std::path::PathBuf;

/// Looks for a server's program; says what is skipped if it is not there.
fn program(name: &str, package: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/usr/local/sbin"]);
    let found = folders
        .map(|folder| PathBuf::from(folder).join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "{name} is missing in CI; install {package}"
        );
        // Past the capture of the test harness, which shows nothing of a test that passes.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: {name} is not installed (Debian: apt-get install {package})"
        );
    }
    found
}
