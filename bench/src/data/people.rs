//! Made-up tenants, people, tokens and events. Every value follows from its row's number, so that a question
//! about any row can be asked without keeping it.

/// What stands before each word of a search text.
pub(crate) const WORD: &str = "\u{aa}\u{aa}";
/// Tenants of a load.
pub(crate) const TENANTS: u64 = 100;
/// How many of a hundred people the first tenant has; the others share the rest evenly.
const FIRST_TENANT_PERCENT: u64 = 60;
/// Tokens of the one person who has very many.
pub(crate) const HEAVY_TOKENS: u64 = 10_000;
/// Events of the one person who has very many, at most.
const HEAVY_EVENTS_MAX: u64 = 1_000_000;
/// Tokens that come of one grant.
const TOKENS_OF_A_GRANT: u64 = 4;
/// The first instant of the load, in milliseconds since 1970: 2026-06-01.
const BEGIN_MS: u64 = 1_780_272_000_000;
/// The time that the load spans, in milliseconds: 150 days.
const SPAN_MS: u64 = 150 * 86_400_000;

/// Family names with their spelling in Latin letters.
const FAMILY: [(&str, &str); 24] = [
    ("王", "wang"),
    ("李", "li"),
    ("张", "zhang"),
    ("刘", "liu"),
    ("陈", "chen"),
    ("杨", "yang"),
    ("赵", "zhao"),
    ("黄", "huang"),
    ("周", "zhou"),
    ("吴", "wu"),
    ("徐", "xu"),
    ("孙", "sun"),
    ("胡", "hu"),
    ("朱", "zhu"),
    ("高", "gao"),
    ("林", "lin"),
    ("何", "he"),
    ("郭", "guo"),
    ("马", "ma"),
    ("罗", "luo"),
    ("梁", "liang"),
    ("宋", "song"),
    ("郑", "zheng"),
    ("谢", "xie"),
];
/// Characters of given names with their spelling.
const GIVEN: [(&str, &str); 32] = [
    ("伟", "wei"),
    ("芳", "fang"),
    ("娜", "na"),
    ("敏", "min"),
    ("静", "jing"),
    ("丽", "li"),
    ("强", "qiang"),
    ("磊", "lei"),
    ("军", "jun"),
    ("洋", "yang"),
    ("勇", "yong"),
    ("艳", "yan"),
    ("杰", "jie"),
    ("娟", "juan"),
    ("涛", "tao"),
    ("明", "ming"),
    ("超", "chao"),
    ("霞", "xia"),
    ("平", "ping"),
    ("刚", "gang"),
    ("桂", "gui"),
    ("英", "ying"),
    ("华", "hua"),
    ("玉", "yu"),
    ("兰", "lan"),
    ("红", "hong"),
    ("建", "jian"),
    ("文", "wen"),
    ("志", "zhi"),
    ("晓", "xiao"),
    ("梅", "mei"),
    ("鹏", "peng"),
];
/// Western given and family names.
const WESTERN_GIVEN: [&str; 20] = [
    "Anna", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Hugo", "Ida", "Jonas", "Klara", "Liam",
    "Maria", "Noah", "Olivia", "Paul", "Quinn", "Rosa", "Samuel", "Tilda",
];
const WESTERN_FAMILY: [&str; 20] = [
    "Smith",
    "Jones",
    "Müller",
    "Schmidt",
    "Garcia",
    "Martin",
    "Rossi",
    "Silva",
    "Novak",
    "Kowalski",
    "Jensen",
    "Dubois",
    "Fischer",
    "Weber",
    "Lopez",
    "Moreau",
    "Bianchi",
    "Costa",
    "Horvat",
    "Andersson",
];

/// A value that looks random and follows from two numbers (the finaliser of SplitMix64).
pub(crate) fn mix(salt: u64, row: u64) -> u64 {
    let mut z =
        row.wrapping_add(salt.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn pick<T: Copy>(of: &[T], number: u64) -> Option<T> {
    let count = u64::try_from(of.len()).ok()?;
    of.get(usize::try_from(number % count.max(1)).ok()?).copied()
}

/// An id in the form of UUIDv7: ordered by its row, random after that.
fn ordered_id(salt: u64, row: u64, rows: u64) -> String {
    let at = at_ms(row, rows);
    let (a, b) = (mix(salt, row), mix(salt + 1, row));
    format!(
        "{:08x}-{:04x}-7{:03x}-{:04x}-{:012x}",
        at >> 16,
        at & 0xffff,
        a & 0xfff,
        0x8000 | (a >> 48) & 0x3fff,
        b & 0xffff_ffff_ffff
    )
}

/// The instant of a row, in milliseconds since 1970: rows are spread evenly over the load's time.
pub(crate) fn at_ms(row: u64, rows: u64) -> u64 {
    let span = u128::from(SPAN_MS) * u128::from(row) / u128::from(rows.max(1));
    BEGIN_MS + u64::try_from(span).unwrap_or(0)
}

/// How much to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) users: u64,
    pub(crate) tokens: u64,
    pub(crate) audit: u64,
}

/// A person.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) tenant: String,
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) phone: String,
    pub(crate) display_name: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) password: String,
    pub(crate) created_ms: u64,
}

/// The id of a tenant by its number.
pub(crate) fn tenant_id(number: u64) -> String {
    format!("0197b000-0000-7000-8000-{number:012}")
}

/// The id of the one client of a tenant.
pub(crate) fn client_id(tenant: &str) -> String {
    tenant.replace("-7000-", "-7001-")
}

impl Sizes {
    /// The tenant of a person. The first person, who has very many tokens and events, is in the first.
    pub(crate) fn tenant_of(self, user: u64) -> u64 {
        let draw = mix(1, user);
        if user == 0 || draw % 100 < FIRST_TENANT_PERCENT { 0 } else { 1 + (draw >> 8) % (TENANTS - 1) }
    }

    /// The id of a person.
    pub(crate) fn user_id(self, user: u64) -> String {
        ordered_id(2, user, self.users)
    }

    /// A person by number.
    pub(crate) fn user(self, user: u64) -> User {
        let draw = mix(4, user);
        let (first_name, last_name, display_name, spelt) = if draw & 1 == 0 {
            let (family, family_spelt) = pick(&FAMILY, draw >> 8).unwrap_or(("王", "wang"));
            let (one, one_spelt) = pick(&GIVEN, draw >> 16).unwrap_or(("伟", "wei"));
            let (two, two_spelt) =
                if draw & 2 == 0 { ("", "") } else { pick(&GIVEN, draw >> 24).unwrap_or(("", "")) };
            let spelt = format!("{one_spelt}{two_spelt}.{family_spelt}");
            (format!("{one}{two}"), family.to_owned(), format!("{family}{one}{two}"), spelt)
        } else {
            let given = pick(&WESTERN_GIVEN, draw >> 8).unwrap_or("Anna");
            let family = pick(&WESTERN_FAMILY, draw >> 16).unwrap_or("Smith");
            let spelt = format!("{given}.{family}").to_lowercase().replace('ü', "ue");
            (given.to_owned(), family.to_owned(), format!("{given} {family}"), spelt)
        };
        let username = format!("{spelt}{user}");
        User {
            id: self.user_id(user),
            tenant: tenant_id(self.tenant_of(user)),
            email: format!("{username}@mail.example"),
            phone: format!("+861{:010}", user),
            password: password(user),
            created_ms: at_ms(user, self.users),
            username,
            display_name,
            first_name,
            last_name,
        }
    }

    /// How many grants the tokens come of.
    pub(crate) fn grants(self) -> u64 {
        self.tokens.div_ceil(TOKENS_OF_A_GRANT)
    }

    /// The id and the person of a grant. The first ones are the heavy person's, the others are drawn.
    pub(crate) fn grant(self, grant: u64) -> (String, u64) {
        let heavy = grant < HEAVY_TOKENS / TOKENS_OF_A_GRANT;
        let user = if heavy { 0 } else { mix(5, grant) % self.users.max(1) };
        (ordered_id(6, grant, self.grants()), user)
    }

    /// The grant of a token.
    pub(crate) fn grant_of(token: u64) -> u64 {
        token / TOKENS_OF_A_GRANT
    }

    /// The id of a token.
    pub(crate) fn token_id(self, token: u64) -> String {
        ordered_id(8, token, self.tokens)
    }

    /// The person of an event. Up to half of all events are the heavy person's.
    pub(crate) fn user_of_event(self, event: u64) -> u64 {
        let heavy = (self.audit / 2).min(HEAVY_EVENTS_MAX);
        if mix(10, event) % self.audit.max(1) < heavy { 0 } else { mix(11, event) % self.users.max(1) }
    }

    /// The id of an event.
    pub(crate) fn event_id(self, event: u64) -> String {
        ordered_id(12, event, self.audit)
    }
}

/// The stored form of a token: the digest's 64 hexadecimal digits.
pub(crate) fn token_value(token: u64) -> String {
    (0..4).map(|part| format!("{:016x}", mix(20 + part, token))).collect()
}

/// A text in the form of bcrypt.
fn password(user: u64) -> String {
    const ALPHABET: &[u8] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = "$2a$12$".to_owned();
    for position in 0..53 {
        let letter = pick(ALPHABET, mix(30 + position, user) >> 20).unwrap_or(b'a');
        text.push(char::from(letter));
    }
    text
}

/// What people are searched by, in the form of `crates/store/src/search.rs`: each word once after its mark,
/// longer ones first, and the beginnings inside words of scripts without spaces.
pub(crate) fn search_text(user: &User) -> String {
    let fields =
        [&user.username, &user.email, &user.phone, &user.display_name, &user.first_name, &user.last_name];
    let folded: Vec<String> = fields.iter().map(|field| field.to_lowercase()).collect();
    let mut words: Vec<&str> = folded.iter().flat_map(|field| field.split_whitespace()).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let mut text = String::new();
    let mut add = |word: &str| {
        let word = format!("{WORD}{word}");
        if !text.contains(&word) {
            text.push_str(&word);
        }
    };
    for word in words {
        add(word);
        let characters: Vec<char> = word.chars().collect();
        for (position, character) in characters.iter().enumerate().skip(1) {
            if ('\u{4e00}'..='\u{9fff}').contains(character) {
                let beginning: String = characters.iter().skip(position).take(2).collect();
                add(&beginning);
            }
        }
    }
    text
}

/// What happened in an event, with how often of a hundred.
pub(crate) fn action_of(event: u64) -> &'static str {
    match mix(13, event) % 100 {
        0..=29 => "session.started",
        30..=64 => "token.issued",
        65..=84 => "access.evaluated",
        85..=92 => "session.ended",
        93..=96 => "user.updated",
        _ => "password.refused",
    }
}
