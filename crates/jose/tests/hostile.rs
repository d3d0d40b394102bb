//! Hostile tests, item 8: forged, confused and malformed tokens are refused, each for its own reason.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::cell::Cell;

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jose::{
    Algorithm, ClaimRules, Error, Jwk, JwkSet, Rules, SigningKey, TOKEN_BYTES_MAX, Verified, VerifyingKey,
    verify_compact,
};
use serde_json::{Value, json};

const TYP: &str = "at+jwt";

fn payload() -> Vec<u8> {
    br#"{"iss":"https://id.example","aud":["api"],"exp":2000,"iat":1000,"sub":"alice"}"#.to_vec()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// One trusted key of each algorithm, and what an attacker might know or hold.
struct World {
    signers: Vec<SigningKey>,
    keys: Vec<VerifyingKey>,
}

impl World {
    fn new() -> Self {
        let signers: Vec<_> = Algorithm::ALL.iter().map(|&alg| SigningKey::generate(alg).unwrap()).collect();
        let keys = signers.iter().map(|key| VerifyingKey::from_jwk(&key.public_jwk()).unwrap()).collect();
        Self { signers, keys }
    }

    fn signer(&self, algorithm: Algorithm) -> &SigningKey {
        self.signers.iter().find(|key| key.algorithm() == algorithm).unwrap()
    }

    fn find(&self, kid: &str) -> Option<&VerifyingKey> {
        self.keys.iter().find(|key| key.kid() == kid)
    }

    fn verify(&self, token: &str) -> Result<Verified, Error> {
        verify_compact(token, |kid| self.find(kid), &Rules::new(TYP))
    }

    /// The header that the Ed25519 key would write.
    fn header(&self) -> Value {
        json!({"alg": "EdDSA", "kid": self.signer(Algorithm::EdDsa).kid(), "typ": TYP})
    }

    /// A token under the trusted Ed25519 key with any header and payload: what follows from these two tests is
    /// about the header and the payload alone.
    fn signed(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        let pkcs8 = self.signer(Algorithm::EdDsa).to_pkcs8().unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).unwrap();
        let input = format!("{}.{}", encode(header), encode(payload));
        let signature = encode(pair.sign(input.as_bytes()));
        format!("{input}.{signature}")
    }
}

fn changed(mut header: Value, name: &str, value: impl Into<Value>) -> Vec<u8> {
    header[name] = value.into();
    header.to_string().into_bytes()
}

fn without(mut header: Value, name: &str) -> Vec<u8> {
    header.as_object_mut().unwrap().remove(name);
    header.to_string().into_bytes()
}

#[test]
fn an_honest_token_verifies_under_each_algorithm_and_only_with_its_own_type() {
    let world = World::new();

    for signer in &world.signers {
        for typ in [TYP, "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
            let verified = world.verify(&signer.sign_compact(typ, &payload()).unwrap()).unwrap();
            assert_eq!(verified.header().algorithm, signer.algorithm());
            assert_eq!((verified.header().kid.as_str(), verified.header().typ.as_str()), (signer.kid(), typ));
            let rules = ClaimRules {
                issuer: "https://id.example",
                audience: Some("api"),
                now: 1500,
                leeway_seconds: 0,
            };
            assert_eq!(verified.clone().validate(&rules).unwrap().str("sub"), Some("alice"));
            let late = ClaimRules { now: 2000, ..rules };
            assert_eq!(verified.clone().validate(&late), Err(Error::Expired));
            assert_eq!(verified.into_unvalidated_claims().time("exp"), Some(2000));
        }
        for typ in
            ["JWT", "", "at", "at+jwt ", "application/", "application/application/at+jwt", "text/at+jwt"]
        {
            let token = signer.sign_compact(typ, &payload()).unwrap();
            assert_eq!(world.verify(&token).unwrap_err(), Error::WrongType, "{typ}");
        }
        let prefixed = verify_compact(
            &signer.sign_compact(TYP, &payload()).unwrap(),
            |kid| world.find(kid),
            &Rules::new("application/at+jwt"),
        );
        assert!(prefixed.is_ok());
    }
}

#[test]
fn a_forged_header_is_refused_even_under_a_good_signature() {
    let world = World::new();
    let header = || world.header();
    let own_jwk = serde_json::to_value(SigningKey::generate(Algorithm::EdDsa).unwrap().public_jwk()).unwrap();
    let kid = world.signer(Algorithm::EdDsa).kid();
    let rows: Vec<(&str, Vec<u8>, Error)> = vec![
        ("none", changed(header(), "alg", "none"), Error::UnsupportedAlgorithm),
        ("None", changed(header(), "alg", "None"), Error::UnsupportedAlgorithm),
        ("nOnE", changed(header(), "alg", "nOnE"), Error::UnsupportedAlgorithm),
        ("HS256", changed(header(), "alg", "HS256"), Error::UnsupportedAlgorithm),
        ("PS256", changed(header(), "alg", "PS256"), Error::UnsupportedAlgorithm),
        ("case of alg", changed(header(), "alg", "eddsa"), Error::UnsupportedAlgorithm),
        ("alg of another key", changed(header(), "alg", "ES256"), Error::AlgorithmMismatch),
        ("alg of another key", changed(header(), "alg", "RS256"), Error::AlgorithmMismatch),
        ("no alg", without(header(), "alg"), Error::InvalidHeader("alg")),
        ("alg that is a list", changed(header(), "alg", json!(["EdDSA"])), Error::InvalidHeader("alg")),
        ("no kid", without(header(), "kid"), Error::InvalidHeader("kid")),
        ("empty kid", changed(header(), "kid", ""), Error::InvalidHeader("kid")),
        ("kid that is null", changed(header(), "kid", Value::Null), Error::InvalidHeader("kid")),
        ("kid that is a number", changed(header(), "kid", 0), Error::InvalidHeader("kid")),
        ("kid that is an object", changed(header(), "kid", json!({"$ne": ""})), Error::InvalidHeader("kid")),
        ("kid with a line break", changed(header(), "kid", format!("{kid}\n")), Error::InvalidHeader("kid")),
        ("kid with NUL", changed(header(), "kid", format!("{kid}\0")), Error::InvalidHeader("kid")),
        ("kid with a space", changed(header(), "kid", format!(" {kid}")), Error::InvalidHeader("kid")),
        ("kid beyond ASCII", changed(header(), "kid", format!("{kid}é")), Error::InvalidHeader("kid")),
        ("kid too long", changed(header(), "kid", "a".repeat(257)), Error::InvalidHeader("kid")),
        ("kid as path", changed(header(), "kid", "../../../../dev/null"), Error::UnknownKey),
        ("kid as SQL", changed(header(), "kid", "x'/**/UNION/**/SELECT/**/'key"), Error::UnknownKey),
        ("kid as URL", changed(header(), "kid", "https://evil.example/jwks.json"), Error::UnknownKey),
        ("kid cut short", changed(header(), "kid", &kid[1..]), Error::UnknownKey),
        ("kid in other case", changed(header(), "kid", swap_case(kid)), Error::UnknownKey),
        ("jku", changed(header(), "jku", "https://evil.example/jwks.json"), Error::ForbiddenHeader("jku")),
        ("jwk", changed(header(), "jwk", own_jwk), Error::ForbiddenHeader("jwk")),
        ("x5u", changed(header(), "x5u", "https://evil.example/cert.pem"), Error::ForbiddenHeader("x5u")),
        ("x5c", changed(header(), "x5c", json!(["MIIB"])), Error::ForbiddenHeader("x5c")),
        ("x5c that is null", changed(header(), "x5c", Value::Null), Error::ForbiddenHeader("x5c")),
        ("crit", changed(header(), "crit", json!(["exp"])), Error::ForbiddenHeader("crit")),
        ("empty crit", changed(header(), "crit", json!([])), Error::ForbiddenHeader("crit")),
        ("b64", changed(header(), "b64", false), Error::ForbiddenHeader("b64")),
        ("no typ", without(header(), "typ"), Error::InvalidHeader("typ")),
        ("typ of an ID token", changed(header(), "typ", "JWT"), Error::WrongType),
        ("typ that is null", changed(header(), "typ", Value::Null), Error::InvalidHeader("typ")),
        (
            "repeated alg",
            format!(r#"{{"alg":"none","alg":"EdDSA","kid":"{kid}","typ":"{TYP}"}}"#).into(),
            HEADER,
        ),
        (
            "repeated alg",
            format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"{TYP}","alg":"none"}}"#).into(),
            HEADER,
        ),
        (
            "escaped alg",
            format!(r#"{{"alg":"EdDSA","\u0061lg":"EdDSA","kid":"{kid}","typ":"{TYP}"}}"#).into(),
            HEADER,
        ),
        (
            "repeated kid",
            format!(r#"{{"alg":"EdDSA","kid":"{kid}","kid":"{kid}","typ":"{TYP}"}}"#).into(),
            HEADER,
        ),
        (
            "repeat within",
            format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"{TYP}","x":{{"a":1,"a":1}}}}"#).into(),
            HEADER,
        ),
        ("garbage after", format!("{}x", header()).into(), HEADER),
        ("array", json!([header()]).to_string().into(), HEADER),
        ("string", json!("EdDSA").to_string().into(), HEADER),
        ("empty", Vec::new(), HEADER),
        ("not UTF-8", b"\xff\xfe".to_vec(), HEADER),
        ("byte order mark", format!("\u{feff}{}", header()).into(), HEADER),
    ];

    for (name, header, error) in rows {
        assert_eq!(world.verify(&world.signed(&header, payload())).unwrap_err(), error, "{name}");
    }

    // The same way of signing is accepted when nothing is forged, and members without meaning are ignored.
    assert!(world.verify(&world.signed(header().to_string(), payload())).is_ok());
    assert!(world.verify(&world.signed(changed(header(), "cty", "JSON"), payload())).is_ok());
}

const HEADER: Error = Error::Json("header");

fn swap_case(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect()
}

#[test]
fn a_public_key_is_never_a_symmetric_secret() {
    let world = World::new();

    for signer in &world.signers {
        let jwk = serde_json::to_vec(&signer.public_jwk()).unwrap();
        let raw = serde_json::to_value(signer.public_jwk()).unwrap();
        let raw = URL_SAFE_NO_PAD.decode(raw["x"].as_str().or(raw["n"].as_str()).unwrap()).unwrap();
        for secret in [jwk, raw, signer.kid().as_bytes().to_vec(), Vec::new()] {
            for (alg, error) in
                [("HS256", Error::UnsupportedAlgorithm), (signer.algorithm().as_str(), Error::BadSignature)]
            {
                let header = json!({"alg": alg, "kid": signer.kid(), "typ": TYP}).to_string();
                let input = format!("{}.{}", encode(header), encode(payload()));
                let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), input.as_bytes());
                let token = format!("{input}.{}", encode(tag));
                assert_eq!(world.verify(&token).unwrap_err(), error);
            }
        }
    }
}

#[test]
fn a_token_signed_by_a_stranger_under_a_known_kid_is_refused() {
    let world = World::new();

    for signer in &world.signers {
        let stranger = SigningKey::generate(signer.algorithm()).unwrap();
        let posing = SigningKey::from_pkcs8(
            signer.algorithm(),
            signer.kid().to_owned(),
            &stranger.to_pkcs8().unwrap(),
        )
        .unwrap();
        let sign = |key: &SigningKey| key.sign_compact(TYP, &payload()).unwrap();

        assert_eq!(world.verify(&sign(&stranger)).unwrap_err(), Error::UnknownKey);
        assert_eq!(world.verify(&sign(&posing)).unwrap_err(), Error::BadSignature);

        // A key of another algorithm that poses under the kid does not change what the kid is good for.
        for other in world.signers.iter().filter(|other| other.algorithm() != signer.algorithm()) {
            let pkcs8 = other.to_pkcs8().unwrap();
            let posing = SigningKey::from_pkcs8(other.algorithm(), signer.kid().to_owned(), &pkcs8).unwrap();
            assert_eq!(world.verify(&sign(&posing)).unwrap_err(), Error::AlgorithmMismatch);
        }
    }
}

#[test]
fn the_callers_list_of_algorithms_narrows_what_is_accepted() {
    let world = World::new();

    for signer in &world.signers {
        let token = signer.sign_compact(TYP, &payload()).unwrap();
        for &allowed in Algorithm::ALL {
            let rules = Rules { typ: TYP, algorithms: &[allowed] };
            let result = verify_compact(&token, |kid| world.find(kid), &rules).map(|_| ());
            let expected = if allowed == signer.algorithm() { Ok(()) } else { Err(Error::AlgorithmMismatch) };
            assert_eq!(result, expected);
        }
    }
}

#[test]
fn malformed_tokens_are_refused() {
    let world = World::new();

    for signer in &world.signers {
        let token = signer.sign_compact(TYP, &payload()).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let (header, body, signature) = (parts[0], parts[1], parts[2]);
        let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let short = encode(&bytes[..bytes.len() - 1]);
        let rows: Vec<(&str, String, Error)> = vec![
            ("empty", String::new(), Error::Segments),
            ("one segment", header.into(), Error::Segments),
            ("no signature segment", format!("{header}.{body}"), Error::Segments),
            ("four segments", format!("{token}."), Error::Segments),
            ("four segments", format!(".{token}"), Error::Segments),
            ("four segments", format!("{header}.{body}..{signature}"), Error::Segments),
            (
                "five segments, as in JWE",
                format!("{header}.{body}.{signature}.{body}.{signature}"),
                Error::Segments,
            ),
            ("empty signature", format!("{header}.{body}."), Error::BadSignature),
            ("only dots", "..".into(), Error::Json("header")),
            ("truncated by one", token[..token.len() - 1].into(), Error::Encoding("signature")),
            ("a byte short", format!("{header}.{body}.{short}"), Error::BadSignature),
            ("longer by four", format!("{token}AAAA"), Error::BadSignature),
            ("garbage after", format!("{token}~"), Error::Encoding("signature")),
            ("garbage after", format!("{token}&a=b"), Error::Encoding("signature")),
            ("padding after the signature", format!("{token}=="), Error::Encoding("signature")),
            ("padding after the header", format!("{header}==.{body}.{signature}"), Error::Encoding("header")),
            ("padding after the payload", format!("{header}.{body}=.{signature}"), Error::BadSignature),
            ("white space before", format!(" {token}"), Error::Encoding("header")),
            ("a line break after", format!("{token}\n"), Error::Encoding("signature")),
            ("a line break within", format!("{header}.{body}\r\n.{signature}"), Error::BadSignature),
            ("scheme before", format!("Bearer {token}"), Error::Encoding("header")),
            ("NUL after", format!("{token}\0"), Error::Encoding("signature")),
            ("beyond ASCII", format!("{token}é"), Error::Encoding("signature")),
            ("payload of nothing", format!("{header}..{signature}"), Error::BadSignature),
            ("payload as header", format!("{body}.{header}.{signature}"), Error::InvalidHeader("alg")),
            ("JSON serialization", format!(r#"{{"payload":"{body}"}}"#), Error::Segments),
            ("too long", format!("{header}.{}.{signature}", "A".repeat(TOKEN_BYTES_MAX)), Error::TooLong),
        ];

        for (name, token, error) in rows {
            assert_eq!(world.verify(&token).unwrap_err(), error, "{:?}: {name}", signer.algorithm());
        }

        // The signature has bits to spare at its end: 64 bytes leave four, 256 bytes leave four. They must be zero.
        let stray =
            format!("{}{}", &token[..token.len() - 1], next_letter(token.as_bytes()[token.len() - 1]));
        assert_eq!(world.verify(&stray).unwrap_err(), Error::Encoding("signature"));
    }
}

fn next_letter(byte: u8) -> char {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = ALPHABET.iter().position(|&letter| letter == byte).unwrap();
    ALPHABET[at + 1].into()
}

#[test]
fn the_payload_must_be_an_object_without_repeated_names() {
    let world = World::new();

    for bad in [
        r#"{"sub":"alice","sub":"admin"}"#,
        r#"{"sub":"alice","\u0073ub":"admin"}"#,
        r#"{"act":{"sub":"a","sub":"b"}}"#,
        "[]",
        "\"sub\"",
        "",
        "{} {}",
        "Example of Ed25519 signing",
    ] {
        let token = world.signed(world.header().to_string(), bad);
        assert_eq!(world.verify(&token).unwrap_err(), Error::Json("payload"), "{bad}");
    }
}

/// RFC 7518, section 3.4: the signature is `R || S`, not the DER of X.509.
#[test]
fn an_es256_signature_in_der_or_of_zeros_is_refused() {
    let world = World::new();
    let signer = world.signer(Algorithm::Es256);
    let token = signer.sign_compact(TYP, &payload()).unwrap();
    let (input, _) = token.rsplit_once('.').unwrap();
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &signer.to_pkcs8().unwrap()).unwrap();
    let der = pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();

    for signature in [der.as_ref(), &[0; 64], &[0; 0], &[0xff; 64]] {
        let forged = format!("{input}.{}", encode(signature));
        assert_eq!(world.verify(&forged).unwrap_err(), Error::BadSignature);
    }
}

/// RFC 8032, section 5.1.7: decoding fails if S is not below the group order; else S plus the order would be a
/// second signature of the same token.
#[test]
fn an_ed25519_signature_with_a_second_form_of_s_is_refused() {
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let world = World::new();
    let token = world.signer(Algorithm::EdDsa).sign_compact(TYP, &payload()).unwrap();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();

    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }

    assert_eq!(world.verify(&format!("{input}.{}", encode(signature))).unwrap_err(), Error::BadSignature);
}

#[test]
fn no_key_is_looked_up_for_a_header_that_is_not_acceptable() {
    let world = World::new();
    let asked = Cell::new(0);
    let verify = |token: &str| {
        let find = |kid: &str| {
            asked.set(asked.get() + 1);
            world.find(kid)
        };
        verify_compact(token, find, &Rules::new(TYP)).map(|_| ())
    };

    for header in [
        changed(world.header(), "alg", "none"),
        changed(world.header(), "jku", "https://evil.example"),
        changed(world.header(), "kid", "a\nb"),
        changed(world.header(), "typ", "JWT"),
    ] {
        assert!(verify(&world.signed(header, payload())).is_err());
    }
    assert_eq!(asked.get(), 0);

    assert_eq!(verify(&world.signed(world.header().to_string(), payload())), Ok(()));
    assert_eq!(asked.get(), 1);
}

/// A small generator with a fixed seed (xorshift64), so that a failure repeats.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// Changes `text` in one to three places, using `alphabet` for new bytes and `other` to splice from.
    fn mutate(&mut self, text: &[u8], other: &[u8], alphabet: &[u8]) -> Vec<u8> {
        let mut out = text.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(out.len() + 1);
            match self.below(7) {
                0 => out.insert(at, alphabet[self.below(alphabet.len())]),
                1 => out.truncate(at),
                2 if at < out.len() => drop(out.remove(at)),
                3 if at < out.len() => out[at] = alphabet[self.below(alphabet.len())],
                4 if at < out.len() => {
                    let with = self.below(out.len());
                    out.swap(at, with);
                }
                5 => drop(out.splice(at.., other.iter().skip(at).copied())),
                _ => {
                    let from = self.below(other.len());
                    let piece: Vec<u8> = other.iter().skip(from).take(8).copied().collect();
                    drop(out.splice(at..at, piece));
                }
            }
        }
        out
    }
}

#[test]
fn no_mutation_of_a_token_verifies_or_panics() {
    let world = World::new();
    let mut corpus: Vec<String> =
        world.signers.iter().map(|signer| signer.sign_compact(TYP, &payload()).unwrap()).collect();
    corpus
        .extend(world.signers.iter().map(|signer| signer.sign_compact(TYP, br#"{"sub":"admin"}"#).unwrap()));
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_....=+/ \n\0\x7f";
    let mut rng = Rng(0x5167_6e65_7400_0001);
    let mut reached_signature = 0;

    for _ in 0..30_000 {
        let text = &corpus[rng.below(corpus.len())];
        let other = &corpus[rng.below(corpus.len())];
        let Ok(mutant) = String::from_utf8(rng.mutate(text.as_bytes(), other.as_bytes(), alphabet)) else {
            continue;
        };
        if corpus.contains(&mutant) {
            continue;
        }
        let result = world.verify(&mutant);
        assert!(result.is_err(), "a mutation verifies: {mutant}");
        reached_signature += u32::from(result.unwrap_err() == Error::BadSignature);
    }

    assert!(reached_signature > 1_000, "the mutations must also reach the signature: {reached_signature}");
}

/// Behind a good signature, so that the parsers of header and payload see the mutations.
#[test]
fn no_mutation_of_a_signed_header_or_payload_panics_or_changes_the_key() {
    let world = World::new();
    let header = world.header().to_string();
    let other = r#"{"alg":"none","jwk":{"kty":"oct"},"crit":["b64"],"typ":null,"exp":-1e400,"aud":[[],{}]}"#;
    let alphabet = b"{}[]\",:\\u0123456789eE.-+ \n\0truefalsn\xff";
    let rules =
        ClaimRules { issuer: "https://id.example", audience: Some("api"), now: 1500, leeway_seconds: 0 };
    let mut rng = Rng(0x5167_6e65_7400_0002);
    let mut verified_headers = 0;

    for _ in 0..5_000 {
        let header_mutant = rng.mutate(header.as_bytes(), other.as_bytes(), alphabet);
        if let Ok(verified) = world.verify(&world.signed(&header_mutant, payload())) {
            verified_headers += 1;
            assert_eq!(verified.header().algorithm, Algorithm::EdDsa);
            assert_eq!(verified.header().kid, world.signer(Algorithm::EdDsa).kid());
        }
        let payload_mutant = rng.mutate(&payload(), other.as_bytes(), alphabet);
        if let Ok(claims) =
            world.verify(&world.signed(&header, &payload_mutant)).and_then(|v| v.validate(&rules))
        {
            assert_eq!(claims.str("iss"), Some(rules.issuer));
            assert!(claims.has_audience("api") && claims.time("exp") > Some(rules.now));
        }
    }

    assert!(verified_headers < 2_500, "most mutations must break the header: {verified_headers}");
}

#[test]
fn no_mutation_of_a_key_panics_or_yields_a_private_member() {
    let world = World::new();
    let other = r#"{"kty":"oct","k":"AA","d":"AA","e":"Aw","crv":"P-521","keys":[{"n":""}]}"#;
    let alphabet = b"{}[]\",:\\ABCxyz019-_=";
    let mut rng = Rng(0x5167_6e65_7400_0003);

    for _ in 0..10_000 {
        let signer = &world.signers[rng.below(world.signers.len())];
        let key = serde_json::to_string(&signer.public_jwk()).unwrap();
        let mutant = rng.mutate(key.as_bytes(), other.as_bytes(), alphabet);
        if let Ok(jwk) = serde_json::from_slice::<Jwk>(&mutant) {
            let _ = VerifyingKey::from_jwk(&jwk);
            let written = serde_json::to_string(&jwk).unwrap();
            assert_eq!(serde_json::from_str::<Jwk>(&written).unwrap(), jwk);
        }
        let set = [b"{\"keys\":[".as_slice(), &mutant, b"]}"].concat();
        let _ = serde_json::from_slice::<JwkSet>(&set);
    }
}
