//! The words of FTP, explained.

use proto_transport::Words;

const fn word(
    begins: &'static str,
    meaning: &'static str,
    source: &'static str,
) -> proto_transport::Word {
    Words::word(begins, meaning, source)
}

/// What the lines of a conversation mean.
pub const WORDS: Words = Words {
    said: &[
        word(
            "AUTH TLS",
            "let us encrypt from here on",
            "RFC 4217 section 4",
        ),
        word(
            "PBSZ",
            "how much is protected at once",
            "RFC 4217 section 8",
        ),
        word(
            "PROT P",
            "data connections are to be encrypted too",
            "RFC 4217 section 9",
        ),
        word("HOST", "by this name we know you", "RFC 7151 section 3"),
        word("USER", "who we are", "RFC 959 section 4.1.1"),
        word("PASS", "the password", "RFC 959 section 4.1.1"),
        word("ACCT", "the account", "RFC 959 section 4.1.1"),
        word("FEAT", "what can you do?", "RFC 2389 section 3"),
        word("OPTS UTF8", "names are in UTF-8", "RFC 2640"),
        word(
            "OPTS HASH",
            "digests by this algorithm",
            "draft-bryan-ftpext-hash",
        ),
        word(
            "TYPE A",
            "as text: line ends become CRLF",
            "RFC 959 section 3.1.1",
        ),
        word("TYPE I", "bytes as they are", "RFC 959 section 3.1.1"),
        word(
            "EPSV",
            "on which port do you wait for the data connection?",
            "RFC 2428 section 3",
        ),
        word(
            "PASV",
            "where do you wait for the data connection?",
            "RFC 959 section 4.1.2",
        ),
        word(
            "EPRT",
            "connect to us here for the data",
            "RFC 2428 section 2",
        ),
        word(
            "PORT",
            "connect to us here for the data",
            "RFC 959 section 4.1.2",
        ),
        word(
            "REST",
            "begin the next transfer at this byte",
            "RFC 3659 section 5",
        ),
        word("RETR", "this file, please", "RFC 959 section 4.1.3"),
        word("STOR", "here comes this file", "RFC 959 section 4.1.3"),
        word(
            "APPE",
            "here comes more of this file",
            "RFC 959 section 4.1.3",
        ),
        word(
            "LIST",
            "what is in this folder? (for people)",
            "RFC 959 section 4.1.3",
        ),
        word(
            "MLSD",
            "what is in this folder? (for programs)",
            "RFC 3659 section 7",
        ),
        word("MLST", "what is this?", "RFC 3659 section 7"),
        word(
            "SIZE",
            "how many bytes has this file?",
            "RFC 3659 section 4",
        ),
        word("MDTM", "when was this file changed?", "RFC 3659 section 3"),
        word(
            "MFMT",
            "this file was changed then",
            "draft-somers-ftp-mfxx",
        ),
        word(
            "HASH",
            "the digest of this file?",
            "draft-bryan-ftpext-hash",
        ),
        word("XSHA512", "the SHA-512 of this file?", "no document"),
        word("XSHA256", "the SHA-256 of this file?", "no document"),
        word("XSHA1", "the SHA-1 of this file?", "no document"),
        word("XMD5", "the MD5 of this file?", "no document"),
        word("XCRC", "the CRC of this file?", "no document"),
        word("PWD", "in which folder are we?", "RFC 959 section 4.1.3"),
        word("CWD", "go to this folder", "RFC 959 section 4.1.1"),
        word("MKD", "make this folder", "RFC 959 section 4.1.3"),
        word("RMD", "remove this folder", "RFC 959 section 4.1.3"),
        word("DELE", "delete this file", "RFC 959 section 4.1.3"),
        word("RNFR", "give this another name", "RFC 959 section 4.1.3"),
        word("RNTO", "namely this", "RFC 959 section 4.1.3"),
        word("ABOR", "stop the transfer", "RFC 959 section 4.1.3"),
        word("NOOP", "are you there?", "RFC 959 section 4.1.3"),
        word("QUIT", "goodbye", "RFC 959 section 4.1.1"),
    ],
    heard: &[
        word("110", "the restart marker", "RFC 959 section 4.2.2"),
        word("120", "soon; wait", "RFC 959 section 4.2.2"),
        word(
            "125",
            "the data connection is there: it begins",
            "RFC 959 section 4.2.2",
        ),
        word("150", "it begins", "RFC 959 section 4.2.2"),
        word("200", "yes", "RFC 959 section 4.2.2"),
        word(
            "202",
            "there is no need for that here",
            "RFC 959 section 4.2.2",
        ),
        word("211", "what it can do", "RFC 2389 section 3.2"),
        word("213", "about the file", "RFC 3659 section 2"),
        word("220", "welcome", "RFC 959 section 4.2.2"),
        word("221", "goodbye", "RFC 959 section 4.2.2"),
        word(
            "225",
            "the data connection is there, and nothing is under way",
            "RFC 959 section 4.2.2",
        ),
        word("226", "all of it went", "RFC 959 section 4.2.2"),
        word("227", "connect here for the data", "RFC 959 section 4.2.2"),
        word(
            "229",
            "connect to this port for the data",
            "RFC 2428 section 3",
        ),
        word("230", "logged in", "RFC 959 section 4.2.2"),
        word(
            "232",
            "logged in, by the certificate",
            "RFC 4217 section 4.2",
        ),
        word("234", "yes: encrypt now", "RFC 4217 section 4"),
        word("250", "done", "RFC 959 section 4.2.2"),
        word("257", "the folder", "RFC 959 section 4.2.2"),
        word("331", "the password?", "RFC 959 section 4.2.2"),
        word("332", "the account?", "RFC 959 section 4.2.2"),
        word(
            "350",
            "go on with the next command",
            "RFC 959 section 4.2.2",
        ),
        word(
            "421",
            "not now; the connection ends",
            "RFC 959 section 4.2.2",
        ),
        word(
            "425",
            "the data connection cannot be opened",
            "RFC 959 section 4.2.2",
        ),
        word("426", "the data connection broke", "RFC 959 section 4.2.2"),
        word("430", "no: these credentials are not good", "RFC 4217"),
        word(
            "450",
            "not now: the file is in use",
            "RFC 959 section 4.2.2",
        ),
        word("451", "not now: a trouble inside", "RFC 959 section 4.2.2"),
        word("452", "there is no room", "RFC 959 section 4.2.2"),
        word(
            "500",
            "this command is not known here",
            "RFC 959 section 4.2.2",
        ),
        word("501", "this cannot be read", "RFC 959 section 4.2.2"),
        word("502", "this is not to be had here", "RFC 959 section 4.2.2"),
        word("503", "not in this order", "RFC 959 section 4.2.2"),
        word("504", "not with this parameter", "RFC 959 section 4.2.2"),
        word(
            "522",
            "the data connection is not protected as it must be",
            "RFC 2228 section 5",
        ),
        word("530", "who are you? Log in first", "RFC 959 section 4.2.2"),
        word("532", "an account is needed", "RFC 959 section 4.2.2"),
        word("534", "not as the policy wants it", "RFC 2228 section 5"),
        word(
            "536",
            "this protection is not to be had here",
            "RFC 2228 section 5",
        ),
        word(
            "550",
            "no such file, or no permission",
            "RFC 959 section 4.2.2",
        ),
        word(
            "552",
            "there is no room, or a quota is spent",
            "RFC 959 section 4.2.2",
        ),
        word("553", "this name is not allowed", "RFC 959 section 4.2.2"),
    ],
    has_tags: false,
};
