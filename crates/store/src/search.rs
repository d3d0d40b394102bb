//! Searching among a tenant's people: by the beginning of a word, by a part of one, by Chinese names.
//!
//! `users.search_text` holds the words of a person's fields, folded, each after a mark of two characters
//! (see [`user_text`]). A term of three characters or more matches anywhere in a word; a shorter one, which
//! no index of trigrams could find, matches the beginning of a word, because the mark before it makes it
//! three characters again. Chinese, Japanese and Korean words have no spaces, so each of their characters
//! also begins a word of two: `三丰` finds `张三丰`.
//!
//! Those whose user name begins as the first term come first, by user name, then all others, by id. Both
//! databases answer alike: PostgreSQL by `LIKE` over a GIN index of trigrams, SQLite by the trigram tokenizer of
//! FTS5. An index of trigrams gives all matches at once, so that both walk along the people instead while
//! hits are frequent: ids know nothing of names, so that those with a frequent word are spread among them.

mod postgres;
mod sqlite;

use base::text::name_key;

use crate::list::after_all_that_begin;
use crate::{Backend, FromRow, Result, Row, Rx, StoreError};

/// Characters of a query at most, before and after folding.
pub const QUERY_CHARACTERS_MAX: usize = 200;
/// Terms of a query at most.
pub const TERMS_MAX: usize = 5;
/// People on one page at most.
pub const PAGE_MAX: i64 = 201;
/// What stands before each word of a search text: U+00AA, twice. That is a letter, so that PostgreSQL's
/// trigrams tell the beginning of a word from what follows a dot within one; and folding makes an `a` of it,
/// so that it is in no word and no term.
const WORD: &str = "\u{aa}\u{aa}";
/// Characters that a term must have to be found inside a word: the length of a trigram.
const PART_CHARACTERS_MIN: usize = 3;
/// Characters of one word whose beginnings are noted apart, in scripts without spaces.
const BEGINNINGS_MAX: usize = 64;

/// Why a query was refused; prints what was found and what would be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadQuery {
    /// Nothing to look for.
    #[error("a search must hold at least one character that is not white space")]
    Empty,
    /// Too long.
    #[error("a search must have at most {QUERY_CHARACTERS_MAX} characters, has {0}")]
    TooLong(usize),
    /// A word of signs only, which no index of trigrams helps to find.
    #[error("each word of a search must hold a letter or a digit")]
    SignsOnly,
    /// Too many terms.
    #[error("a search must have at most {TERMS_MAX} words, has {0}")]
    TooManyTerms(usize),
    /// U+0000.
    #[error("a search must not contain the character U+0000")]
    Nul,
}

/// What is looked for: every term must be found in the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms(Vec<String>);

impl Terms {
    /// Reads what a person typed: words apart by white space, in any case and width.
    pub fn parse(query: &str) -> std::result::Result<Self, BadQuery> {
        if query.contains('\0') {
            return Err(BadQuery::Nul);
        }
        let found = query.chars().count();
        if found > QUERY_CHARACTERS_MAX {
            return Err(BadQuery::TooLong(found));
        }
        let folded = name_key(query);
        let found = folded.chars().count();
        if found > QUERY_CHARACTERS_MAX {
            return Err(BadQuery::TooLong(found));
        }
        let mut terms: Vec<String> = Vec::new();
        for term in folded.split_whitespace() {
            if !term.chars().any(char::is_alphanumeric) {
                return Err(BadQuery::SignsOnly);
            }
            if !terms.iter().any(|known| known == term) {
                terms.push(term.to_owned());
            }
        }
        match terms.len() {
            0 => Err(BadQuery::Empty),
            found if found > TERMS_MAX => Err(BadQuery::TooManyTerms(found)),
            _ => Ok(Self(terms)),
        }
    }

    /// The texts that must each be part of a search text.
    fn parts(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|term| {
            // As much of the mark as makes one trigram: a longer part has more of them, which all have.
            let mark = WORD.chars().skip(term.chars().count().saturating_sub(1));
            mark.chain(term.chars()).collect()
        })
    }

    /// The user names that begin as the first term: from the first text, and before the second if there is
    /// one.
    fn first_names(&self) -> (String, Option<String>) {
        let from = self.0.first().cloned().unwrap_or_default();
        let to = after_all_that_begin(&from);
        (from, to)
    }

    /// Whether a person's user name, folded, puts them first among those who are found.
    pub fn is_first(&self, username_key: &str) -> bool {
        self.0.first().is_some_and(|term| username_key.starts_with(term.as_str()))
    }

    /// Whether a person with this search text is found. The databases answer as this does.
    pub fn matches(&self, search_text: &str) -> bool {
        self.parts().all(|part| search_text.contains(&part))
    }
}

/// The search text of a person, from the fields by which one is looked for. Whoever writes one of the
/// fields writes `users.search_text` with it; for rows typed by hand a trigger makes a plainer one.
pub fn user_text<'a>(fields: impl IntoIterator<Item = Option<&'a str>>) -> String {
    let folded: Vec<String> = fields.into_iter().flatten().map(name_key).collect();
    let mut words: Vec<&str> = folded.iter().flat_map(|field| field.split_whitespace()).collect();
    // Longer first: a word that begins an earlier one, such as the name in an address, adds nothing.
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let mut text = String::new();
    for word in words {
        add_word(&mut text, word);
        let characters: Vec<char> = word.chars().take(BEGINNINGS_MAX).collect();
        for (position, character) in characters.iter().enumerate().skip(1) {
            if is_without_spaces(*character) {
                let beginning: String =
                    characters.iter().skip(position).take(PART_CHARACTERS_MIN - 1).collect();
                add_word(&mut text, &beginning);
            }
        }
    }
    text
}

fn add_word(text: &mut String, word: &str) {
    let word = format!("{WORD}{word}");
    if !text.contains(&word) {
        text.push_str(&word);
    }
}

/// Whether the character belongs to a script that writes words without spaces between them.
fn is_without_spaces(character: char) -> bool {
    matches!(character,
        '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

/// What to look for among a tenant's people, and from where on.
#[derive(Debug, Clone, Copy)]
pub struct UserSearch<'a> {
    /// The tenant. On PostgreSQL it must be the tenant of the connection.
    pub tenant_id: &'a str,
    /// What is looked for.
    pub terms: &'a Terms,
    /// A status as it is stored; none means any but `DELETED`.
    pub status: Option<&'a str>,
    /// The position after which the page begins: the last hit of the page before.
    pub after: Option<(&'a str, &'a str)>,
    /// Hits at most, 1 to [`PAGE_MAX`].
    pub limit: i64,
}

/// One person found: the position in the order of what the search finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserHit {
    /// The folded user name.
    pub username_key: String,
    /// The id.
    pub id: String,
}

impl FromRow for UserHit {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self { username_key: row.get("username_key")?, id: row.get("id")? })
    }
}

/// One page of the people found: first those whose user name begins as the first term, by user name, then
/// all others, by id. The caller loads them by their ids.
///
/// Fails with [`StoreError::Shape`] on a limit outside 1 to [`PAGE_MAX`].
pub async fn users(rx: &mut Rx, search: &UserSearch<'_>) -> Result<Vec<UserHit>> {
    if !(1..=PAGE_MAX).contains(&search.limit) {
        return Err(StoreError::Shape {
            column: "limit".to_owned(),
            found: format!("{} instead of 1 to {PAGE_MAX}", search.limit),
        });
    }
    match rx.backend() {
        Backend::Sqlite => sqlite::users(rx, search).await,
        Backend::Postgres => postgres::users(rx, search).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_text_holds_each_word_once_after_a_mark() {
        let text = user_text([Some("Alice"), Some("alice@Example.com"), None, Some("Alice  Li")]);

        assert_eq!(text, "\u{aa}\u{aa}alice@example.com\u{aa}\u{aa}li");
    }

    #[test]
    fn each_character_of_a_chinese_name_begins_a_word() {
        let text = user_text([Some("张三丰")]);

        assert_eq!(text, "ªª张三丰ªª三丰ªª丰");
    }

    #[test]
    fn queries_match_parts_of_words_and_short_ones_their_beginnings() {
        let text =
            user_text([Some("wei.zhang"), Some("w.zhang@example.com"), Some("+8613800000000"), Some("张伟")]);
        for (query, found) in [
            ("zhang", true),
            ("ZHANG wei", true),
            ("ang", true),
            ("we", true),
            ("W", true),
            ("ei", false),
            ("张伟", true),
            ("伟", true),
            ("138", true),
            ("+8", true),
            ("ｗｅｉ", true),
            ("zhang li", false),
            ("a%", false),
            ("_hang", false),
        ] {
            assert_eq!(Terms::parse(query).unwrap().matches(&text), found, "{query}");
        }
    }

    #[test]
    fn the_mark_of_a_word_is_in_no_term_and_no_word() {
        let terms = Terms::parse("1\u{aa} \u{aa}\u{aa}x").unwrap();

        assert_eq!(terms.0, ["1a", "aax"]);
        assert_eq!(user_text([Some("1\u{aa}")]), "\u{aa}\u{aa}1a");
    }

    #[test]
    fn names_that_begin_as_the_first_term_are_first() {
        let terms = Terms::parse("Wei zhang").unwrap();

        assert_eq!(terms.first_names(), ("wei".to_owned(), Some("wej".to_owned())));
        for (name, first) in [("wei", true), ("weiwei", true), ("we", false), ("zhang", false)] {
            assert_eq!(terms.is_first(name), first, "{name}");
        }
    }

    #[test]
    fn a_bad_query_says_what_was_found() {
        assert_eq!(Terms::parse(" \u{3000} "), Err(BadQuery::Empty));
        assert_eq!(Terms::parse(&"x".repeat(201)), Err(BadQuery::TooLong(201)));
        assert_eq!(Terms::parse("a b c d e f"), Err(BadQuery::TooManyTerms(6)));
        assert_eq!(Terms::parse("a\0"), Err(BadQuery::Nul));
        assert_eq!(Terms::parse("a --"), Err(BadQuery::SignsOnly));
        // One character that folding makes eighteen.
        assert!(matches!(Terms::parse(&"\u{fdfa}".repeat(20)), Err(BadQuery::TooLong(_))));
    }
}
