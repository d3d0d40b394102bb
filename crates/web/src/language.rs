//! The language of pages: English or Chinese, by what the browser asks for and what the person chose.

/// A language that pages are written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Chinese, in simplified characters.
    Zh,
}

impl Language {
    /// The tag for `lang=` and `Content-Language` (BCP 47).
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en-US",
            Self::Zh => "zh-CN",
        }
    }

    /// Reads a language tag: any `zh…` is Chinese, any `en…` English, others are not known.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_']).next().unwrap_or_default();
        if primary.eq_ignore_ascii_case("zh") {
            Some(Self::Zh)
        } else if primary.eq_ignore_ascii_case("en") {
            Some(Self::En)
        } else {
            None
        }
    }

    /// Reads `Accept-Language` (RFC 9110 section 12.5.4): the known language of the highest weight, the
    /// first of equals; English where none is known. A weight of 0 means "not this one".
    pub fn of_accept(header: &str) -> Self {
        let mut best = (0u16, Self::En);
        for range in header.split(',').take(50) {
            let mut pieces = range.split(';');
            let Some(language) = Self::of_tag(pieces.next().unwrap_or_default()) else { continue };
            let weight = match pieces.next() {
                None => Some(1000),
                Some(weight) => thousandths(weight.trim()),
            };
            if weight.is_some_and(|weight| weight > best.0) {
                best = (weight.unwrap_or_default(), language);
            }
        }
        best.1
    }

    /// Chooses for one page: what the client asked for in `ui_locales` (OpenID Connect Core section
    /// 3.1.2.1, tags by preference with spaces between), then what the person chose (a cookie), then the
    /// browser's.
    pub fn choose(ui_locales: Option<&str>, chosen: Option<&str>, browser: Self) -> Self {
        let asked = ui_locales.unwrap_or_default().split_ascii_whitespace().take(50).find_map(Self::of_tag);
        asked.or_else(|| chosen.and_then(Self::of_tag)).unwrap_or(browser)
    }
}

/// Reads `q=0.8` as 800.
fn thousandths(parameter: &str) -> Option<u16> {
    let text = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="))?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    match whole {
        "0" => format!("{fraction:0<3}").parse().ok(),
        "1" if fraction.bytes().all(|b| b == b'0') => Some(1000),
        _ => None,
    }
}
