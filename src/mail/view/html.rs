//! The words of an HTML text, for messages that have no other.
//!
//! This is no HTML parser: it drops what stands between `<` and `>`, keeps line breaks where a
//! browser would make them, and never fails.

/// Elements whose content is not for reading.
const UNSEEN: &[&str] = &["head", "script", "style", "title"];

/// Elements that begin on a line of their own.
const BLOCKS: &[&str] = &[
    "blockquote",
    "br",
    "div",
    "dt",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "table",
    "tr",
    "ul",
];

/// The longest name of a character: `&thetasym;` and many more are shorter.
const LONGEST_ENTITY: usize = 12;

/// The text of an HTML text.
pub fn words(html: &str) -> String {
    let mut text = String::with_capacity(html.len() / 2);
    let mut rest = html;
    while let Some((before, tag)) = rest.find('<').and_then(|at| rest.split_at_checked(at)) {
        push_words(&mut text, before);
        rest = behind(tag, &mut text);
    }
    push_words(&mut text, rest);
    text.truncate(text.trim_end().len());
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// What is behind a tag, or behind an element that is not for reading.
fn behind<'h>(tag: &'h str, text: &mut String) -> &'h str {
    if let Some(comment) = tag.strip_prefix("<!--") {
        return comment.split_once("-->").map_or("", |(_, after)| after);
    }
    let (inside, after) = tag.split_once('>').unwrap_or((tag, ""));
    let name: String = inside
        .chars()
        .skip(1)
        .take_while(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase();
    if UNSEEN.contains(&name.as_str()) {
        return behind_element(after, &name);
    }
    if BLOCKS.contains(&name.as_str()) && !text.is_empty() {
        text.truncate(text.trim_end_matches(' ').len());
        // One empty line between two blocks is enough.
        if !text.ends_with("\n\n") {
            text.push('\n');
        }
    }
    after
}

/// What is behind the end tag of an element in which there are no others.
fn behind_element<'h>(mut rest: &'h str, name: &str) -> &'h str {
    while let Some((_, after)) = rest.split_once("</") {
        let this = after.get(..name.len()).unwrap_or_default();
        if this.eq_ignore_ascii_case(name) {
            return after.split_once('>').map_or("", |(_, after)| after);
        }
        rest = after;
    }
    ""
}

/// Pushes text between tags: white space is one blank, and names of characters are the characters.
fn push_words(text: &mut String, source: &str) {
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        if first == '&' {
            if let Some((character, after)) = entity(rest) {
                text.push(character);
                rest = after;
                continue;
            }
        }
        match first.is_ascii_whitespace() {
            true if text.is_empty() || text.ends_with([' ', '\n']) => {}
            true => text.push(' '),
            false => text.push(first),
        }
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
    }
}

/// The character that a name or number in a text stands for.
fn entity(text: &str) -> Option<(char, &str)> {
    let end = text
        .bytes()
        .take(LONGEST_ENTITY)
        .position(|byte| byte == b';')?;
    let name = text.get(1..end)?;
    let after = text.get(end + 1..)?;
    let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok();
    let character = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => {
            let digits = name.strip_prefix('#')?;
            let number = match digits.strip_prefix(['x', 'X']) {
                Some(digits) => number(digits, 16),
                None => number(digits, 10),
            };
            char::from_u32(number?)?
        }
    };
    Some((character, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_taken_away() {
        for (html, wanted) in [
            ("", ""),
            ("plain", "plain\n"),
            ("<p>A dot: <img src=\"cid:dot.png\"></p>", "A dot:\n"),
            ("<p>a</p>\n<p>b<br>c</p>", "a\nb\nc\n"),
            ("a<div></div><div></div><div></div>b", "a\n\nb\n"),
            ("a  \n b", "a b\n"),
            ("<html><HEAD><title>t</title></HEAD><body>b</body>", "b\n"),
            (
                "<style>a { b }</STYLE >c<script>if (a</b) {}</script>d",
                "cd\n",
            ),
            ("a<!-- <p>b -->c", "ac\n"),
            (
                "&lt;a&gt; &amp;amp; &#252;&#xFC; &unknown; &#x110000; &",
                "<a> &amp; üü &unknown; &#x110000; &\n",
            ),
            ("a<", "a\n"),
            ("a<!-- b", "a\n"),
            ("a<style>b", "a\n"),
            ("ü<ü>ü", "üü\n"),
        ] {
            assert_eq!(words(html), wanted, "{html:?}");
        }
    }

    #[test]
    fn the_longest_texts_are_read() {
        for piece in ["<", "<!--", "<style>", "</", "&", "&#1", "<p>", " "] {
            words(&piece.repeat(1024 * 1024 / piece.len()));
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(html in "(<|>|</|!--|-->|style|p|&|#x|lt|;|ü| ){0,40}") {
            words(&html);
        }
    }
}
