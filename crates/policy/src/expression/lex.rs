//! From text to tokens, with the place of each.

use super::{Mistake, Place};
use crate::quote::shorten;

/// Words that the language keeps for itself. They may be the name of a field, nothing else.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Signs, the longer before their own beginnings.
const SIGNS: [&str; 24] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "-", "+", "*", "/", "%", "?", ":", "(", ")", "[", "]",
    "{", "}", ".", ",",
];

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'t> {
    Name(&'t str),
    Reserved(&'t str),
    /// The magnitude; the parser knows the sign.
    Int(u64),
    Uint(u64),
    Double(f64),
    String(String),
    Bytes(Vec<u8>),
    True,
    False,
    Null,
    In,
    Sign(&'static str),
    End,
}

impl Token<'_> {
    /// Says what the token is, for a mistake.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Name(name) => format!("`{}`", shorten(name)),
            Self::Reserved(word) => format!("the reserved word `{word}`"),
            Self::Int(number) => format!("`{number}`"),
            Self::Uint(number) => format!("`{number}u`"),
            Self::Double(number) => format!("`{number}`"),
            Self::String(text) => format!("the string `{}`", shorten(text)),
            Self::Bytes(_) => "bytes".to_owned(),
            Self::True => "`true`".to_owned(),
            Self::False => "`false`".to_owned(),
            Self::Null => "`null`".to_owned(),
            Self::In => "`in`".to_owned(),
            Self::Sign(sign) => format!("`{sign}`"),
            Self::End => "the end of the expression".to_owned(),
        }
    }
}

/// Splits a text into tokens. The last one is [`Token::End`].
///
/// Fails with the first thing that begins no token.
pub(super) fn tokens(text: &str) -> Result<Vec<(Place, Token<'_>)>, Mistake> {
    let mut lexer = Lexer { rest: text, place: Place::START };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks();
        let place = lexer.place;
        let token = lexer.token()?;
        let ended = token == Token::End;
        tokens.push((place, token));
        if ended {
            return Ok(tokens);
        }
    }
}

struct Lexer<'t> {
    rest: &'t str,
    place: Place,
}

impl<'t> Lexer<'t> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes one character.
    fn bump(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        self.place = self.place.after(c);
        Some(c)
    }

    /// Takes what satisfies `wanted`, and returns it.
    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'t str {
        let before = self.rest;
        while self.peek().is_some_and(&wanted) {
            self.bump();
        }
        before.get(..before.len() - self.rest.len()).unwrap_or_default()
    }

    /// Takes `expected` if it comes next.
    fn accept(&mut self, expected: &str) -> bool {
        let found = self.rest.starts_with(expected);
        if found {
            for _ in expected.chars() {
                self.bump();
            }
        }
        found
    }

    fn skip_blanks(&mut self) {
        loop {
            self.take(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}'));
            if !self.rest.starts_with("//") {
                return;
            }
            self.take(|c| c != '\n');
        }
    }

    fn token(&mut self) -> Result<Token<'t>, Mistake> {
        let Some(first) = self.peek() else { return Ok(Token::End) };
        if let Some(literal) = self.quoted()? {
            return Ok(literal);
        }
        let second = self.rest.chars().nth(1);
        if first.is_ascii_digit() || (first == '.' && second.is_some_and(|c| c.is_ascii_digit())) {
            return self.number();
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let word = self.take(|c| c.is_ascii_alphanumeric() || c == '_');
            return Ok(match word {
                "true" => Token::True,
                "false" => Token::False,
                "null" => Token::Null,
                "in" => Token::In,
                _ if RESERVED.contains(&word) => Token::Reserved(word),
                _ => Token::Name(word),
            });
        }
        let place = self.place;
        for sign in SIGNS {
            if self.accept(sign) {
                return Ok(Token::Sign(sign));
            }
        }
        let hint = match first {
            '&' => "`&&`",
            '|' => "`||`",
            '=' => "`==`",
            _ => "an operator, a name or a literal",
        };
        Err(Mistake::new(place, format!("`{}`", first.escape_debug()), hint))
    }

    fn number(&mut self) -> Result<Token<'t>, Mistake> {
        let (start, before) = (self.place, self.rest);
        let out_of_range = |digits: &str, expected: &str| {
            Err(Mistake::new(start, format!("the number `{}`", shorten(digits)), expected))
        };

        if before.starts_with("0x") {
            self.accept("0x");
            let digits = self.take(|c| c.is_ascii_hexdigit());
            let value = u64::from_str_radix(digits, 16);
            let unsigned = self.accept("u") || self.accept("U");
            return match value {
                Ok(value) if unsigned => Ok(Token::Uint(value)),
                Ok(value) => Ok(Token::Int(value)),
                Err(_) => out_of_range(digits, "1 to 16 hexadecimal digits after `0x`"),
            };
        }

        let whole = self.take(|c| c.is_ascii_digit());
        let mut rest = self.rest.chars();
        let fraction = rest.next() == Some('.') && rest.next().is_some_and(|c| c.is_ascii_digit());
        if fraction {
            self.bump();
            self.take(|c| c.is_ascii_digit());
        }
        let exponent = self.exponent();
        let written = before.get(..before.len() - self.rest.len()).unwrap_or_default();
        if fraction || exponent {
            return match written.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(Token::Double(value)),
                _ => out_of_range(written, "a double of at most 1.8e308"),
            };
        }
        let value = whole.parse::<u64>();
        let unsigned = self.accept("u") || self.accept("U");
        match value {
            Ok(value) if unsigned => Ok(Token::Uint(value)),
            Ok(value) => Ok(Token::Int(value)),
            Err(_) if unsigned => out_of_range(whole, "a uint: at most 2^64 - 1"),
            Err(_) => out_of_range(whole, "an int: at most 2^63 - 1"),
        }
    }

    /// Takes an exponent if a whole one comes next.
    fn exponent(&mut self) -> bool {
        let mut rest = self.rest.chars();
        if !matches!(rest.next(), Some('e' | 'E')) {
            return false;
        }
        let signed = matches!(rest.clone().next(), Some('+' | '-'));
        if signed {
            rest.next();
        }
        if !rest.next().is_some_and(|c| c.is_ascii_digit()) {
            return false;
        }
        self.bump();
        if signed {
            self.bump();
        }
        self.take(|c| c.is_ascii_digit());
        true
    }

    /// Reads a string or bytes, if one comes next.
    fn quoted(&mut self) -> Result<Option<Token<'t>>, Mistake> {
        let mut ahead = self.rest.bytes();
        let (prefix, bytes, raw) = match (ahead.next(), ahead.next(), ahead.next()) {
            (Some(b'"' | b'\''), _, _) => (0, false, false),
            (Some(b'r' | b'R'), Some(b'"' | b'\''), _) => (1, false, true),
            (Some(b'b' | b'B'), Some(b'"' | b'\''), _) => (1, true, false),
            (Some(b'b' | b'B'), Some(b'r' | b'R'), Some(b'"' | b'\'')) => (2, true, true),
            _ => return Ok(None),
        };
        let start = self.place;
        for _ in 0..prefix {
            self.bump();
        }
        let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| self.accept(quote)).unwrap_or("\"");
        let mut body = Body::new(bytes);
        loop {
            if self.accept(quote) {
                return Ok(Some(body.finish()));
            }
            let place = self.place;
            let Some(c) = self.bump() else {
                let found = "a literal that does not end";
                return Err(Mistake::new(start, found, format!("a closing `{quote}`")));
            };
            match c {
                '\n' | '\r' if quote.len() == 1 => {
                    let expected =
                        format!("a closing `{quote}` on the same line, or three quotes on both ends");
                    return Err(Mistake::new(place, "a line break inside a literal", expected));
                }
                '\\' if !raw => self.escape(place, &mut body)?,
                c => body.push(c),
            }
        }
    }

    /// Reads what follows a backslash at `place`.
    fn escape(&mut self, place: Place, body: &mut Body) -> Result<(), Mistake> {
        let wrong = |found: String, expected: &str| Err(Mistake::new(place, found, expected));
        let Some(c) = self.bump() else {
            return wrong("a backslash at the end".to_owned(), "an escape sequence");
        };
        let plain = match c {
            '\\' | '?' | '"' | '\'' | '`' => Some(c),
            'a' => Some('\u{7}'),
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{b}'),
            _ => None,
        };
        if let Some(plain) = plain {
            body.push(plain);
            return Ok(());
        }
        let (length, radix, first) = match c {
            'x' | 'X' => (2, 16, None),
            'u' => (4, 16, None),
            'U' => (8, 16, None),
            '0'..='3' => (2, 8, Some(c)),
            _ => {
                let expected =
                    "an escape sequence, such as `\\n`, `\\\\` or `\\u00e9`; or a raw string, `r\"…\"`";
                return wrong(format!("`\\{}`", c.escape_debug()), expected);
            }
        };
        let mut digits = String::from_iter(first);
        for _ in 0..length {
            digits.extend(self.peek().filter(|c| c.is_digit(radix)));
            self.bump();
        }
        let shown = if first.is_some() { format!("`\\{digits}`") } else { format!("`\\{c}{digits}`") };
        if digits.len() != length + usize::from(first.is_some()) {
            return wrong(shown, "an escape sequence with all its digits");
        }
        let code = u32::from_str_radix(&digits, radix).unwrap_or(u32::MAX);
        if matches!(c, 'u' | 'U') {
            if body.is_bytes() {
                return wrong(shown, "`\\x` or three octal digits: bytes have no code points");
            }
            let Some(c) = char::from_u32(code) else {
                return wrong(shown, "a Unicode code point that is no surrogate");
            };
            body.push(c);
            return Ok(());
        }
        body.push_octet(u8::try_from(code).unwrap_or(u8::MAX));
        Ok(())
    }
}

/// The contents of a literal.
enum Body {
    Text(String),
    Bytes(Vec<u8>),
}

impl Body {
    fn new(bytes: bool) -> Self {
        if bytes { Self::Bytes(Vec::new()) } else { Self::Text(String::new()) }
    }

    fn is_bytes(&self) -> bool {
        matches!(self, Self::Bytes(_))
    }

    fn push(&mut self, c: char) {
        match self {
            Self::Text(text) => text.push(c),
            Self::Bytes(bytes) => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }

    /// Adds an octet to bytes, or the code point of that number to a text.
    fn push_octet(&mut self, octet: u8) {
        match self {
            Self::Text(text) => text.push(char::from(octet)),
            Self::Bytes(bytes) => bytes.push(octet),
        }
    }

    fn finish<'t>(self) -> Token<'t> {
        match self {
            Self::Text(text) => Token::String(text),
            Self::Bytes(bytes) => Token::Bytes(bytes),
        }
    }
}
