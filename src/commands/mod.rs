//! The commands: a file each, named like the command; each holds `Args` and `run`.

pub mod completions;
pub mod demo;
pub mod ftp_get;
pub mod ftp_list;
pub mod ftp_mirror;
pub mod ftp_mkdir;
pub mod ftp_put;
pub mod ftp_remove;
pub mod ftp_rename;
pub mod gopher_get;
pub mod gopher_menu;
pub mod http_get;
pub mod http_head;
pub mod imap_append;
pub mod imap_fetch;
pub mod imap_flag;
pub mod imap_list;
pub mod imap_move;
pub mod imap_search;
pub mod imap_watch;
pub mod mail_check;
pub mod mail_show;
pub mod manual;
pub mod mock;
pub mod nntp_fetch;
pub mod nntp_groups;
pub mod nntp_overview;
pub mod nntp_post;
pub mod pop3_delete;
pub mod pop3_fetch;
pub mod pop3_list;
pub mod smtp_probe;
pub mod smtp_send;
pub mod tcp;
pub mod telnet;
pub mod udp;

use proto_transport::Result;

use crate::cli::Command;

/// Runs a command and gives its exit status.
pub fn run(command: Command) -> Result<u8> {
    match command {
        Command::HttpGet(args) => http_get::run(&args),
        Command::HttpHead(args) => http_head::run(&args),
        Command::SmtpSend(args) => smtp_send::run(&args),
        Command::SmtpProbe(args) => smtp_probe::run(&args),
        Command::MailCheck(args) => mail_check::run(&args),
        Command::MailShow(args) => mail_show::run(&args),
        Command::Pop3List(args) => pop3_list::run(&args),
        Command::Pop3Fetch(args) => pop3_fetch::run(&args),
        Command::Pop3Delete(args) => pop3_delete::run(&args),
        Command::ImapList(args) => imap_list::run(&args),
        Command::ImapSearch(args) => imap_search::run(&args),
        Command::ImapFetch(args) => imap_fetch::run(&args),
        Command::ImapAppend(args) => imap_append::run(&args),
        Command::ImapFlag(args) => imap_flag::run(&args),
        Command::ImapMove(args) => imap_move::run(&args),
        Command::ImapWatch(args) => imap_watch::run(&args),
        Command::FtpList(args) => ftp_list::run(&args),
        Command::FtpGet(args) => ftp_get::run(&args),
        Command::FtpPut(args) => ftp_put::run(&args),
        Command::FtpMirror(args) => ftp_mirror::run(&args),
        Command::FtpRemove(args) => ftp_remove::run(&args),
        Command::FtpRename(args) => ftp_rename::run(&args),
        Command::FtpMkdir(args) => ftp_mkdir::run(&args),
        Command::NntpGroups(args) => nntp_groups::run(&args),
        Command::NntpOverview(args) => nntp_overview::run(&args),
        Command::NntpFetch(args) => nntp_fetch::run(&args),
        Command::NntpPost(args) => nntp_post::run(&args),
        Command::GopherGet(args) => gopher_get::run(&args),
        Command::GopherMenu(args) => gopher_menu::run(&args),
        Command::Tcp(args) => tcp::run(&args),
        Command::Udp(args) => udp::run(&args),
        Command::Telnet(args) => telnet::run(&args),
        Command::Mock(args) => mock::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Manual(args) => manual::run(&args),
    }
}
