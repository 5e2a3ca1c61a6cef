//! The words of NNTP, explained.

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
        word("CAPABILITIES", "what can you do?", "RFC 3977 section 5.2"),
        word("MODE READER", "we want to read", "RFC 3977 section 5.3"),
        word(
            "STARTTLS",
            "let us encrypt from here on",
            "RFC 4642 section 2.2",
        ),
        word("AUTHINFO USER", "who we are", "RFC 4643 section 2.3"),
        word("AUTHINFO PASS", "the password", "RFC 4643 section 2.3"),
        word(
            "AUTHINFO SASL",
            "who we are, with proof",
            "RFC 4643 section 2.4",
        ),
        word(
            "COMPRESS",
            "let us compress from here on",
            "RFC 8054 section 2.2",
        ),
        word("GROUP", "open this group", "RFC 3977 section 6.1.1"),
        word(
            "LISTGROUP",
            "open this group; which articles has it?",
            "RFC 3977 section 6.1.2",
        ),
        word("ARTICLE", "this article, please", "RFC 3977 section 6.2.1"),
        word(
            "HEAD",
            "the header of this article",
            "RFC 3977 section 6.2.2",
        ),
        word("BODY", "the body of this article", "RFC 3977 section 6.2.3"),
        word("STAT", "is this article there?", "RFC 3977 section 6.2.4"),
        word("OVER", "these articles in short", "RFC 3977 section 8.3"),
        word("XOVER", "these articles in short", "RFC 2980 section 2.8"),
        word("HDR", "one field of these articles", "RFC 3977 section 8.5"),
        word(
            "XHDR",
            "one field of these articles",
            "RFC 2980 section 2.6",
        ),
        word(
            "LIST ACTIVE",
            "which groups are there?",
            "RFC 3977 section 7.6.3",
        ),
        word(
            "LIST COUNTS",
            "which groups are there, and with how many articles?",
            "RFC 6048 section 3.2",
        ),
        word(
            "LIST NEWSGROUPS",
            "what are the groups about?",
            "RFC 3977 section 7.6.6",
        ),
        word(
            "LIST OVERVIEW.FMT",
            "what does an article in short consist of?",
            "RFC 3977 section 8.4",
        ),
        word("NEWGROUPS", "which groups are new?", "RFC 3977 section 7.3"),
        word("NEWNEWS", "which articles are new?", "RFC 3977 section 7.4"),
        word("DATE", "what time is it?", "RFC 3977 section 7.1"),
        word("POST", "we have something to say", "RFC 3977 section 6.3.1"),
        word(
            "IHAVE",
            "we have this article; do you want it?",
            "RFC 3977 section 6.3.2",
        ),
        word("QUIT", "goodbye", "RFC 3977 section 5.4"),
        word(".", "the end of the article", "RFC 3977 section 3.1.1"),
    ],
    heard: &[
        word("101", "what it can do", "RFC 3977 section 5.2"),
        word("111", "the time there", "RFC 3977 section 7.1"),
        word("200", "welcome; posting is allowed", "RFC 3977 section 5.1"),
        word(
            "201",
            "welcome; posting is not allowed",
            "RFC 3977 section 5.1",
        ),
        word("205", "goodbye", "RFC 3977 section 5.4"),
        word(
            "206",
            "yes: compressed from here on",
            "RFC 8054 section 2.2",
        ),
        word(
            "211",
            "the group: how many articles, the first and the last number",
            "RFC 3977 section 6.1.1",
        ),
        word("215", "the list follows", "RFC 3977 section 7.6.1"),
        word("220", "the article follows", "RFC 3977 section 6.2.1"),
        word("221", "the header follows", "RFC 3977 section 6.2.2"),
        word("222", "the body follows", "RFC 3977 section 6.2.3"),
        word("223", "the article is there", "RFC 3977 section 6.2.4"),
        word("224", "the articles in short", "RFC 3977 section 8.3"),
        word("225", "the field of each article", "RFC 3977 section 8.5"),
        word("230", "the new articles", "RFC 3977 section 7.4"),
        word("231", "the new groups", "RFC 3977 section 7.3"),
        word("235", "the article was taken", "RFC 3977 section 6.3.2"),
        word("240", "the article was taken", "RFC 3977 section 6.3.1"),
        word("281", "logged in", "RFC 4643 section 2.3"),
        word("283", "logged in, with proof", "RFC 4643 section 2.4"),
        word("335", "send it", "RFC 3977 section 6.3.2"),
        word("340", "send it", "RFC 3977 section 6.3.1"),
        word("381", "the password?", "RFC 4643 section 2.3"),
        word("382", "yes: encrypt now", "RFC 4642 section 2.2"),
        word("383", "go on with the login", "RFC 4643 section 2.4"),
        word("400", "not now", "RFC 3977 section 3.2.1"),
        word("403", "not now: a trouble inside", "RFC 3977 section 3.2.1"),
        word("411", "there is no such group", "RFC 3977 section 6.1.1"),
        word("412", "no group is open", "RFC 3977 section 6.1.1"),
        word(
            "423",
            "there are no such articles",
            "RFC 3977 section 6.2.1",
        ),
        word("430", "there is no such article", "RFC 3977 section 6.2.1"),
        word("435", "it is not wanted", "RFC 3977 section 6.3.2"),
        word("436", "not now; try again", "RFC 3977 section 6.3.2"),
        word("437", "it is not wanted, ever", "RFC 3977 section 6.3.2"),
        word("440", "posting is not allowed", "RFC 3977 section 6.3.1"),
        word("441", "the article was not taken", "RFC 3977 section 6.3.1"),
        word("480", "who are you? Log in first", "RFC 3977 section 3.2.1"),
        word(
            "481",
            "no: these credentials are not good",
            "RFC 4643 section 2.3",
        ),
        word("483", "not in the clear", "RFC 3977 section 3.2.1"),
        word(
            "500",
            "this command is not known here",
            "RFC 3977 section 3.2.1",
        ),
        word("501", "this cannot be read", "RFC 3977 section 3.2.1"),
        word("502", "not allowed", "RFC 3977 section 3.2.1"),
        word(
            "503",
            "this is not to be had here",
            "RFC 3977 section 3.2.1",
        ),
        word(
            ".",
            "the end of a list or article",
            "RFC 3977 section 3.1.1",
        ),
    ],
    has_tags: false,
};
