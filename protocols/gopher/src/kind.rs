//! What an item is, by the one character that menus and URLs have for it.

/// What an item is (RFC 1436 section 3.8, Gopher+, and what became usual since).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `0`: text.
    Text,
    /// `1`: a menu.
    Menu,
    /// `2`: a CSO phone book.
    Cso,
    /// `3`: an error.
    Error,
    /// `4`: a Macintosh file in BinHex.
    BinHex,
    /// `5`: a DOS archive.
    Dos,
    /// `6`: a file in uuencode.
    Uuencoded,
    /// `7`: a search, which answers with a menu.
    Search,
    /// `8`: a telnet session.
    Telnet,
    /// `9`: a binary file.
    Binary,
    /// `+`: the item before, on another server.
    Mirror,
    /// `g`: a GIF image.
    Gif,
    /// `I`: an image.
    Image,
    /// `T`: a session with a 3270 terminal.
    Tn3270,
    /// `h`: HTML, or a URL.
    Html,
    /// `i`: a line of text in a menu, which leads nowhere.
    Info,
    /// `s`: sound.
    Sound,
    /// `d`: a document of a word processor.
    Document,
    /// `p`: a PNG image.
    Png,
    /// `P`: a PDF document.
    Pdf,
    /// `r`: an RTF document.
    Rtf,
    /// `X`: XML.
    Xml,
    /// `M`: a message in MIME.
    Mime,
    /// `c`: a calendar.
    Calendar,
    /// `:`: a bitmap (Gopher+).
    Bitmap,
    /// `;`: a movie (Gopher+).
    Movie,
    /// `<`: sound (Gopher+).
    PlusSound,
    /// Something else.
    Other(char),
}

/// How the bytes of an item end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Rows, up to a line with a dot.
    Menu,
    /// Lines, up to a line with a dot or to the end of the connection.
    Text,
    /// Any bytes, up to the end of the connection.
    Bytes,
}

/// Every kind that has a name, with its character and a word for people.
const NAMED: [(char, Kind, &str); 27] = [
    ('0', Kind::Text, "text"),
    ('1', Kind::Menu, "menu"),
    ('2', Kind::Cso, "phone book"),
    ('3', Kind::Error, "error"),
    ('4', Kind::BinHex, "binhex"),
    ('5', Kind::Dos, "dos archive"),
    ('6', Kind::Uuencoded, "uuencoded"),
    ('7', Kind::Search, "search"),
    ('8', Kind::Telnet, "telnet"),
    ('9', Kind::Binary, "binary"),
    ('+', Kind::Mirror, "mirror"),
    ('g', Kind::Gif, "gif"),
    ('I', Kind::Image, "image"),
    ('T', Kind::Tn3270, "tn3270"),
    ('h', Kind::Html, "html"),
    ('i', Kind::Info, "info"),
    ('s', Kind::Sound, "sound"),
    ('d', Kind::Document, "document"),
    ('p', Kind::Png, "png"),
    ('P', Kind::Pdf, "pdf"),
    ('r', Kind::Rtf, "rtf"),
    ('X', Kind::Xml, "xml"),
    ('M', Kind::Mime, "mime"),
    ('c', Kind::Calendar, "calendar"),
    (':', Kind::Bitmap, "bitmap"),
    (';', Kind::Movie, "movie"),
    ('<', Kind::PlusSound, "sound"),
];

impl Kind {
    /// The kind that a character stands for.
    pub fn of(character: char) -> Kind {
        let named = NAMED.iter().find(|(known, _, _)| *known == character);
        named.map_or(Kind::Other(character), |(_, kind, _)| *kind)
    }

    /// The character.
    pub fn character(self) -> char {
        match self {
            Kind::Other(character) => character,
            _ => self.named().map_or('?', |(character, _)| character),
        }
    }

    /// A word for people and programs: `text`, `menu`; `unknown` for what has no name.
    pub fn name(self) -> &'static str {
        self.named().map_or("unknown", |(_, name)| name)
    }

    fn named(self) -> Option<(char, &'static str)> {
        let named = NAMED.iter().find(|(_, kind, _)| *kind == self);
        named.map(|(character, _, name)| (*character, *name))
    }

    /// How the bytes of such an item end. RFC 1436 section 3.8 has text end with a dot and says of 5
    /// and 9 that they do not; what came later does as those.
    pub fn form(self) -> Form {
        match self {
            Kind::Menu | Kind::Search => Form::Menu,
            Kind::Text | Kind::BinHex | Kind::Uuencoded | Kind::Error => Form::Text,
            _ => Form::Bytes,
        }
    }

    /// Whether there is something to fetch by this protocol.
    pub fn can_be_fetched(self) -> bool {
        !matches!(
            self,
            Kind::Info | Kind::Error | Kind::Telnet | Kind::Tn3270 | Kind::Cso
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_character() {
        for (character, kind, name) in NAMED {
            assert_eq!(Kind::of(character), kind);
            assert_eq!((kind.character(), kind.name()), (character, name));
        }
        assert_eq!(Kind::of('é').character(), 'é');
        assert_eq!(Kind::of('~').name(), "unknown");
    }
}
