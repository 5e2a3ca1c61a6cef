//! Files under a root folder, and nothing outside of it.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use percent_encoding::{percent_decode_str, percent_encode, AsciiSet, NON_ALPHANUMERIC};

use super::resource::{Resource, Source, BINARY};

/// What lies at a path.
pub(super) enum Found {
    Resource(Resource),
    /// A folder, whose address ends with a slash.
    Folder,
    Nothing,
}

/// What stays as it is in a link to a file.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Looks up a path as it stands in a URL.
pub(super) fn find(root: &Path, path: &str) -> Found {
    // Whatever goes wrong here, a client need not know why there is nothing.
    look_up(root, path).unwrap_or(Found::Nothing)
}

fn look_up(root: &Path, path: &str) -> io::Result<Found> {
    let root = root.canonicalize()?;
    let Some(relative) = relative(path) else {
        return Ok(Found::Nothing);
    };
    // With the symbolic links resolved, so that none leads out.
    let found = root.join(relative).canonicalize()?;
    if !found.starts_with(&root) {
        return Ok(Found::Nothing);
    }
    let is_folder_path = path.ends_with('/');
    match (found.is_dir(), is_folder_path) {
        (true, false) => Ok(Found::Folder),
        (true, true) => {
            let index = found.join("index.html");
            let index = index.canonicalize().ok();
            match index.filter(|index| index.is_file() && index.starts_with(&root)) {
                Some(index) => open(&index),
                None => Ok(Found::Resource(listing(&found)?)),
            }
        }
        (false, true) => Ok(Found::Nothing),
        (false, false) => open(&found),
    }
}

/// The segments of a path, decoded; `None` if one of them leads elsewhere.
fn relative(path: &str) -> Option<PathBuf> {
    let mut relative = PathBuf::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let bytes: Vec<u8> = percent_decode_str(segment).collect();
        if bytes == b"." || bytes == b".." || bytes.contains(&b'/') || bytes.contains(&0) {
            return None;
        }
        relative.push(OsString::from_vec(bytes));
    }
    Some(relative)
}

fn open(path: &Path) -> io::Result<Found> {
    // Only regular files: opening a pipe would wait for its other end.
    if !path.is_file() {
        return Ok(Found::Nothing);
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    Ok(Found::Resource(Resource {
        content_type: content_type(path),
        length: metadata.len(),
        etag: Some(etag(&metadata)),
        modified: metadata.modified().ok(),
        source: Source::File(file),
    }))
}

fn etag(metadata: &Metadata) -> String {
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let since = modified.duration_since(SystemTime::UNIX_EPOCH);
    let nanoseconds = since.unwrap_or_default().as_nanos();
    format!("\"{:x}-{nanoseconds:x}\"", metadata.len())
}

fn content_type(path: &Path) -> &'static str {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    match extension.to_str().unwrap_or_default() {
        "html" | "htm" => "text/html; charset=utf-8",
        "txt" | "md" | "log" => super::resource::PLAIN,
        "css" => "text/css",
        "js" => "text/javascript",
        "json" => "application/json",
        "xml" => "application/xml",
        "eml" => "message/rfc822",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "pdf" => "application/pdf",
        "gz" => "application/gzip",
        "zip" => "application/zip",
        _ => BINARY,
    }
}

fn listing(folder: &Path) -> io::Result<Resource> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let mut name = entry.file_name().as_bytes().to_vec();
        if entry.path().is_dir() {
            name.push(b'/');
        }
        names.push(name);
    }
    names.sort();
    let mut page = "<!doctype html>\n<title>Files</title>\n<ul>\n".to_owned();
    for name in names {
        let (stem, slash) = match name.strip_suffix(b"/") {
            Some(stem) => (stem, "/"),
            None => (name.as_slice(), ""),
        };
        let link = percent_encode(stem, IN_PATH);
        let text = html(&String::from_utf8_lossy(&name));
        page.push_str(&format!("<li><a href=\"{link}{slash}\">{text}</a>\n"));
    }
    page.push_str("</ul>\n");
    Ok(Resource::text("text/html; charset=utf-8", page))
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_of_the_root_is_found() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("root");
        fs::create_dir_all(root.join("a b/c")).unwrap();
        fs::write(outer.path().join("secret"), "no").unwrap();
        fs::write(root.join("a b/x&y.html"), "yes").unwrap();
        std::os::unix::fs::symlink("../secret", root.join("link")).unwrap();
        std::os::unix::fs::symlink("a b/x&y.html", root.join("inner")).unwrap();
        for path in [
            "/../secret",
            "/%2e%2e/secret",
            "/..%2fsecret",
            "/link",
            "/a%20b/../a%20b/x&y.html",
            "/none",
            "/inner/",
            "/%00",
        ] {
            assert!(matches!(find(&root, path), Found::Nothing), "{path}");
        }
        assert!(matches!(find(&root, "/a%20b"), Found::Folder));
        for path in ["/a%20b/x&y.html", "/a%20b/x%26y.html", "/inner"] {
            assert!(matches!(find(&root, path), Found::Resource(_)), "{path}");
        }
        let Found::Resource(listing) = find(&root, "/a%20b/") else {
            panic!("no listing");
        };
        let Source::Text(text) = listing.source else {
            panic!("no text");
        };
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("<a href=\"x%26y.html\">x&amp;y.html</a>"));
        assert!(text.contains("<a href=\"c/\">c/</a>"));
    }
}
