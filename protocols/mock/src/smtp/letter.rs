//! A message that was accepted, with its envelope.

/// A message that was accepted, with its envelope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Letter {
    /// The address of MAIL, without its angle brackets; nothing is the null sender.
    pub sender: String,
    /// The parameters of MAIL as they were given: `BODY=8BITMIME`.
    pub mail_parameters: Vec<String>,
    /// The addresses that were accepted, each with the parameters of its RCPT.
    pub recipients: Vec<(String, Vec<String>)>,
    /// The message byte for byte, without the dots that DATA adds. Nothing where the store keeps it.
    pub content: Vec<u8>,
    /// How long the message is.
    pub size: u64,
    /// The name in EHLO, HELO or LHLO.
    pub hello: String,
    /// Who logged in.
    pub user: Option<String>,
    /// With which mechanism.
    pub mechanism: Option<String>,
    /// Whether it came by TLS.
    pub is_encrypted: bool,
    /// Whether it came by BDAT rather than DATA.
    pub by_chunks: bool,
    /// The connection, counted from 1.
    pub connection: usize,
}
