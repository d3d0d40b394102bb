use super::*;

const TENANT: &str = "019a8b5c-7d10-7000-8000-000000000001";
const ROW: &str = "019a8b5c-7d10-7000-8000-000000000007";
const BINDING: Binding<'_> = Binding { tenant: Some(TENANT), identity: &["users", "phone", ROW] };

/// Made by another implementation (Python's `cryptography` on OpenSSL) from the description in `docs/kms.md`:
/// the data key is the bytes 0 to 31, the nonce the bytes a0, a1 and so on.
const VECTORS: [(Algorithm, &str); 4] = [
    (
        Algorithm::Aes256Gcm,
        "73677402010000000308636f6e7461637473a0a1a2a3a4a5a6a7a8a9aaabec5248ef4212929e8fa55f0406f40b736580\
         c74076399534b37bab1b2626",
    ),
    (
        Algorithm::ChaCha20Poly1305,
        "73677402020000000308636f6e7461637473a0a1a2a3a4a5a6a7a8a9aaabb0b636524d865470ab37bcd13823bd45c758\
         9af33543892d186e6628d19a",
    ),
    (
        Algorithm::Sm4Gcm,
        "73677402030000000308636f6e7461637473a0a1a2a3a4a5a6a7a8a9aaab4be75014c573be781ff0066af3269bf462bd\
         1d5a5260e74812f80f62d44b",
    ),
    (
        Algorithm::Aes256CbcHmacSha256,
        "73677402040000000308636f6e7461637473a0a1a2a3a4a5a6a7a8a9aaabacadaeaf27ee8087b259b7d0562b0ba8ea25\
         8e45bdcec619b9aeda8cbfc858f2891a156c4308077a810224ef7a05c414079a2724",
    ),
];

fn data_key() -> Secret<[u8; 32]> {
    Secret::new(std::array::from_fn(|at| u8::try_from(at).unwrap()))
}

fn key(algorithm: Algorithm) -> VersionKey {
    VersionKey::new(algorithm, "contacts", 3, &data_key()).unwrap()
}

fn seal(key: &VersionKey, plaintext: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    key.seal(&BINDING, plaintext, &mut out).unwrap();
    out
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn ciphertexts_of_another_implementation_open() {
    for (algorithm, ciphertext) in VECTORS {
        let ciphertext = bytes(ciphertext);

        let envelope = Envelope::parse(&ciphertext).unwrap();
        let opened = key(algorithm).open(&BINDING, &ciphertext).unwrap();

        assert_eq!(envelope, Envelope { algorithm, version: 3, ring: "contacts" });
        assert_eq!(opened.expose(), b"+8613800138000", "{algorithm}");
    }
}

#[test]
fn the_documentation_has_these_vectors() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/kms.md")).unwrap();
    let page: String = page.split_whitespace().collect();

    for (algorithm, ciphertext) in VECTORS {
        assert!(page.contains(ciphertext), "{algorithm}");
    }
}

#[test]
fn authentication_codes_are_those_of_the_documentation() {
    let expected = "56ab3b134901754bf4574e854b269f8f3d089a71f13aab452cd8af4d96e75f05";
    for algorithm in Algorithm::ALL {
        let key = key(algorithm);

        let code = key.cipher().authenticate(b"message");

        assert_eq!(crate::hex(code.as_ref()), expected, "{algorithm}");
        assert!(key.cipher().is_authentic(b"message", code.as_ref()));
        assert!(!key.cipher().is_authentic(b"messagf", code.as_ref()));
        assert!(!key.cipher().is_authentic(b"message", &bytes(expected)[..31]));
    }
}

#[test]
fn the_header_stands_where_the_documentation_says() {
    for algorithm in Algorithm::ALL {
        let sealed = seal(&key(algorithm), b"secret");

        let expected = [b"sgt\x02".as_slice(), &[algorithm.code()], b"\x00\x00\x00\x03\x08contacts"].concat();
        assert!(sealed.starts_with(&expected), "{algorithm}");
        assert_eq!(sealed.len(), expected.len() + algorithm.sealed_bytes(6));
        assert!(sealed.len() <= 6 + OVERHEAD_BYTES_MAX);
    }
}

#[test]
fn what_was_sealed_opens_for_the_same_place_only() {
    let other_tenant = Binding { tenant: Some(ROW), ..BINDING };
    let platform = Binding { tenant: None, ..BINDING };
    let places: &[(&str, Binding<'_>)] = &[
        ("another tenant", other_tenant),
        ("the platform", platform),
        ("another table", Binding { identity: &["clients", "phone", ROW], ..BINDING }),
        ("another column", Binding { identity: &["users", "email", ROW], ..BINDING }),
        ("another row", Binding { identity: &["users", "phone", TENANT], ..BINDING }),
        ("another order", Binding { identity: &["phone", "users", ROW], ..BINDING }),
        ("parts that join to the same", Binding { identity: &["usersphone", "", ROW], ..BINDING }),
        ("fewer parts", Binding { identity: &["users", "phone"], ..BINDING }),
        ("more parts", Binding { identity: &["users", "phone", ROW, ""], ..BINDING }),
        ("none", Binding { identity: &[], ..BINDING }),
        ("the tenant as a part", Binding { tenant: None, identity: &[TENANT, "users", "phone", ROW] }),
    ];
    for algorithm in Algorithm::ALL {
        let key = key(algorithm);
        let sealed = seal(&key, b"secret");

        assert_eq!(key.open(&BINDING, &sealed).unwrap().expose(), b"secret");
        for (what, place) in places {
            let opened = key.open(place, &sealed);
            assert!(matches!(opened, Err(Error::InvalidCiphertext)), "{algorithm}: {what}");
        }
    }
}

#[test]
fn another_ring_version_or_algorithm_opens_nothing_even_with_the_same_data_key() {
    for algorithm in Algorithm::ALL {
        let sealed = seal(&key(algorithm), b"secret");
        let mut others = vec![
            VersionKey::new(algorithm, "contact", 3, &data_key()).unwrap(),
            VersionKey::new(algorithm, "contactz", 3, &data_key()).unwrap(),
            VersionKey::new(algorithm, "contacts", 4, &data_key()).unwrap(),
        ];
        others.extend(Algorithm::ALL.into_iter().filter(|other| *other != algorithm).map(key));
        for other in others {
            let opened = other.open(&BINDING, &sealed);
            assert!(matches!(opened, Err(Error::InvalidCiphertext)), "{algorithm}: {other:?}");
        }
    }
}

#[test]
fn no_bit_of_it_can_change_and_no_byte_can_go_or_come() {
    for algorithm in Algorithm::ALL {
        let key = key(algorithm);
        let sealed = seal(&key, b"a value of more than one block");

        for position in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[position] ^= 1 << bit;
                let opened = key.open(&BINDING, &changed);
                assert!(matches!(opened, Err(Error::InvalidCiphertext)), "{algorithm} {position} {bit}");
            }
            let opened = key.open(&BINDING, &sealed[..position]);
            assert!(matches!(opened, Err(Error::InvalidCiphertext)), "{algorithm} cut at {position}");
        }
        let longer = [sealed.as_slice(), b"\0"].concat();
        assert!(matches!(key.open(&BINDING, &longer), Err(Error::InvalidCiphertext)), "{algorithm}");
    }
}

#[test]
fn a_buffer_is_used_again_whatever_it_held() {
    let key = key(Algorithm::Aes256Gcm);
    let mut out = vec![0xff; 500];

    for plaintext in [&[1; 900][..], b"", &[2; 40], &[3; 2000]] {
        key.seal(&BINDING, plaintext, &mut out).unwrap();
        assert_eq!(key.open(&BINDING, &out).unwrap().expose(), plaintext);
    }
}

#[test]
fn what_is_too_long_is_refused_and_leaves_nothing_in_the_buffer() {
    let key = key(Algorithm::Aes256Gcm);
    let long = "x".repeat(ASSOCIATED_BYTES_MAX);
    let mut out = b"before".to_vec();

    let text = key.seal(&BINDING, &vec![0; PLAINTEXT_BYTES_MAX + 1], &mut out);
    assert!(matches!(text, Err(Error::TooLong { .. })));
    assert!(out.is_empty());
    let place = Binding { tenant: None, identity: &[&long] };
    assert!(matches!(key.seal(&place, b"", &mut out), Err(Error::TooLong { .. })));
    assert!(matches!(key.open(&place, &seal(&key, b"")), Err(Error::TooLong { .. })));
}

#[test]
fn names_and_versions_that_no_header_can_hold_are_refused() {
    for ring in ["", "UPPER", "a/b", "a b", "é", &"x".repeat(65)] {
        let refused = VersionKey::new(Algorithm::Aes256Gcm, ring, 1, &data_key());
        assert!(matches!(refused, Err(Error::BadRing)), "{ring}");
    }
    let refused = VersionKey::new(Algorithm::Aes256Gcm, "a", 0, &data_key());
    assert!(matches!(refused, Err(Error::InvalidKeyVersion)));
    for (ring, version) in [("a", 1), ("a_b-9", u32::MAX), (&*"x".repeat(64), 7)] {
        let key = VersionKey::new(Algorithm::Aes256Gcm, ring, version, &data_key()).unwrap();
        let sealed = seal(&key, b"");
        let envelope = Envelope::parse(&sealed).unwrap();
        assert_eq!((envelope.ring, envelope.version), (ring, version));
    }
}

#[test]
fn a_header_that_nobody_writes_is_not_read() {
    let sealed = seal(&key(Algorithm::Aes256Gcm), b"");
    let changed = |position: usize, byte: u8| {
        let mut changed = sealed.clone();
        changed[position] = byte;
        changed
    };
    let cases = [
        ("another magic", changed(0, b'S')),
        ("format 1", changed(3, 1)),
        ("format 3", changed(3, 3)),
        ("algorithm 0", changed(4, 0)),
        ("algorithm 5", changed(4, 5)),
        ("version 0", changed(8, 0)),
        ("no name", changed(9, 0)),
        ("a name longer than what follows", changed(9, 200)),
        ("a name that is no text", changed(10, 0xff)),
        ("a name of another form", changed(10, b'C')),
        ("no tag", sealed[..sealed.len() - 1].to_vec()),
        ("too few bytes for CBC", changed(4, 4)),
        ("too many bytes", [sealed.as_slice(), &vec![0; PLAINTEXT_BYTES_MAX + OVERHEAD_BYTES_MAX]].concat()),
        ("nothing", Vec::new()),
    ];
    for (what, bytes) in cases {
        assert!(matches!(Envelope::parse(&bytes), Err(Error::InvalidCiphertext)), "{what}");
    }
}

/// SplitMix64 (Steele, Lea, Flood, 2014): numbers that look random and are the same on every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) >> 1).unwrap() % bound.max(1)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

#[test]
fn whatever_is_given_is_read_or_refused() {
    let mut numbers = Numbers(0x5167_6E65_7400_0005);
    let mut corpus: Vec<Vec<u8>> = VECTORS.iter().map(|(_, text)| bytes(text)).collect();
    corpus.extend([Vec::new(), b"sgt".to_vec(), b"sgt\x02\x01\0\0\0\x01\x40".to_vec(), vec![0xff; 300]]);
    let mut read = 0;

    for seed in &corpus {
        fuzz(seed);
        for _ in 0..2000 {
            let mut changed = seed.clone();
            for _ in 0..=numbers.below(4) {
                let at = numbers.below(changed.len() + 1);
                let end = at + numbers.below((changed.len() - at).min(30) + 1);
                match numbers.below(5) {
                    0 => drop(changed.drain(at..end)),
                    1 => drop(changed.splice(at..at, [numbers.byte()])),
                    2 => changed[at..end].iter_mut().for_each(|byte| *byte ^= 1 << (at % 8)),
                    3 => {
                        let other = &corpus[numbers.below(corpus.len())];
                        drop(changed.splice(at.., other.get(at..).unwrap_or_default().iter().copied()));
                    }
                    _ => {
                        let byte = numbers.byte();
                        changed.extend(std::iter::repeat_n(byte, numbers.below(100)));
                    }
                }
            }
            fuzz(&changed);
            read += usize::from(Envelope::parse(&changed).is_ok());
        }
    }

    assert!((500..15_000).contains(&read), "{read} of the changed ones were read: the corpus finds nothing");
}

#[test]
fn whatever_is_sealed_opens_again() {
    let mut numbers = Numbers(0x5167_6E65_7400_0006);
    for _ in 0..400 {
        let algorithm = Algorithm::ALL[numbers.below(4)];
        let data_key = Secret::new(std::array::from_fn(|_| numbers.byte()));
        let version = u32::try_from(1 + numbers.below(1_000_000)).unwrap();
        let length = numbers.below(3000);
        let plaintext: Vec<u8> = (0..length).map(|_| numbers.byte()).collect();
        let parts: Vec<String> = (0..numbers.below(5)).map(|_| numbers.below(1 << 40).to_string()).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let binding = Binding { tenant: Some("t").filter(|_| version % 2 == 0), identity: &parts };
        let key = VersionKey::new(algorithm, "ring", version, &data_key).unwrap();
        let mut sealed = Vec::new();

        key.seal(&binding, &plaintext, &mut sealed).unwrap();

        let again = VersionKey::new(algorithm, "ring", version, &data_key).unwrap();
        assert_eq!(again.open(&binding, &sealed).unwrap().expose(), plaintext);
    }
}
