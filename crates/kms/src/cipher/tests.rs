//! Known answers from published sources, and what holds for every algorithm.

use super::*;

/// A published answer. Nonce, tag and the rest are hexadecimal.
struct Known {
    source: &'static str,
    key: &'static str,
    nonce: &'static str,
    aad: &'static str,
    plaintext: &'static str,
    ciphertext: &'static str,
    tag: &'static str,
}

const AES_256_GCM_KNOWN: &[Known] = &[
    Known {
        source: "McGrew and Viega, The Galois/Counter Mode of Operation (2005), test case 13",
        key: "0000000000000000000000000000000000000000000000000000000000000000",
        nonce: "000000000000000000000000",
        aad: "",
        plaintext: "",
        ciphertext: "",
        tag: "530f8afbc74536b9a963b4f1c4cb738b",
    },
    Known {
        source: "the same, test case 14",
        key: "0000000000000000000000000000000000000000000000000000000000000000",
        nonce: "000000000000000000000000",
        aad: "",
        plaintext: "00000000000000000000000000000000",
        ciphertext: "cea7403d4d606b6e074ec5d3baf39d18",
        tag: "d0d1c8a799996bf0265b98b5d48ab919",
    },
    Known {
        source: "the same, test case 16",
        key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        nonce: "cafebabefacedbaddecaf888",
        aad: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        plaintext: "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                    1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        ciphertext: "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
                     8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        tag: "76fc6ece0f4e1768cddf8853bb2d551b",
    },
    Known {
        source: "Wycheproof, aes_gcm_test.json, case 128",
        key: "00112233445566778899aabbccddeeff102132435465768798a9bacbdcedfe0f",
        nonce: "000000000000000000000000",
        aad: "",
        plaintext: "561008fa07a68f5c61285cd013464eaf",
        ciphertext: "23293e9b07ca7d1b0cae7cc489a973b3",
        tag: "ffffffffffffffffffffffffffffffff",
    },
    Known {
        source: "Wycheproof, aes_gcm_test.json, case 129",
        key: "00112233445566778899aabbccddeeff102132435465768798a9bacbdcedfe0f",
        nonce: "ffffffffffffffffffffffff",
        aad: "",
        plaintext: "c6152244cea1978d3e0bc274cf8c0b3b",
        ciphertext: "7cb6fc7c6abc009efe9551a99f36a421",
        tag: "00000000000000000000000000000000",
    },
];

const CHACHA20_POLY1305_KNOWN: &[Known] = &[
    Known {
        source: "RFC 8439 section 2.8.2",
        key: "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
        nonce: "070000004041424344454647",
        aad: "50515253c0c1c2c3c4c5c6c7",
        plaintext: "4c616469657320616e642047656e746c656d656e206f662074686520636c6173\
                    73206f66202739393a204966204920636f756c64206f6666657220796f75206f\
                    6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73\
                    637265656e20776f756c642062652069742e",
        ciphertext: "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6\
                     3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36\
                     92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc\
                     3ff4def08e4b7a9de576d26586cec64b6116",
        tag: "1ae10b594f09e26a7e902ecbd0600691",
    },
    Known {
        source: "Wycheproof, chacha20_poly1305_test.json, case 2",
        key: "80ba3192c803ce965ea371d5ff073cf0f43b6a2ab576b208426e11409c09b9b0",
        nonce: "4da5bf8dfd5852c1ea12379d",
        aad: "",
        plaintext: "",
        ciphertext: "",
        tag: "76acb342cf3166a5b63c0c0ea1383c8d",
    },
    Known {
        source: "Wycheproof, chacha20_poly1305_test.json, case 29",
        key: "841020d1606edcfc536abfb1a638a7b958e21efc10c386ac45a18493450afd5f",
        nonce: "6d62f159731b140eb18ce074",
        aad: "5a8e1c7aa39810d5",
        plaintext: "d6af138f701b801e60c85ffd5c",
        ciphertext: "b0a7500aca45bb15f01ece4389",
        tag: "0160e83adbec7f6a2ee2ff0215f9ef00",
    },
];

const SM4_GCM_KNOWN: &[Known] = &[
    Known {
        source: "RFC 8998 appendix A.1",
        key: "0123456789abcdeffedcba9876543210",
        nonce: "00001234567800000000abcd",
        aad: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        plaintext: "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd\
                    eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa",
        ciphertext: "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735\
                     d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d",
        tag: "83de3541e4c2b58177e065a9bf7b62ec",
    },
    Known {
        source: "Wycheproof, sm4_gcm_test.json, case 2",
        key: "bedcfb5a011ebc84600fcb296c15af0d",
        nonce: "438a547a94ea88dce46c6c85",
        aad: "",
        plaintext: "",
        ciphertext: "",
        tag: "a486a45596cb92cf529de2038583707d",
    },
    Known {
        source: "Wycheproof, sm4_gcm_test.json, case 7",
        key: "c15ed227dd2e237ecd087eaaaad19ea4",
        nonce: "965ff6643116ac1443a2dec7",
        aad: "",
        plaintext: "fee62fde973fe025ad6b322dcdf3c63fc7",
        ciphertext: "bec3d84d43648a235d8e2db8a61c3d9317",
        tag: "78372866def4d47c141dfa360ee73f8d",
    },
    Known {
        source: "Wycheproof, sm4_gcm_test.json, case 12",
        key: "6a68671dfe323d419894381f85eb63fd",
        nonce: "9f0d85b605711f34cd2a35ba",
        aad: "76eb5f147250fa3c12bff0a6e3934a0b16860cf11646773b",
        plaintext: "0fc67899c3f1bbe196d90f1eca3797389230aa37",
        ciphertext: "e2ceb4ed26cad57080e1bf3104f3251c486395d6",
        tag: "00468fce2225bfea9b46679889cd1241",
    },
    Known {
        source: "Wycheproof, sm4_gcm_test.json, case 16",
        key: "65d38f0b268f180d6ba548d509111dde",
        nonce: "e14dfc27394ac846c2373ea7",
        aad: "",
        plaintext: "1fa76d7995dc996a5f5dabaa4be401be14f4d4706a213a4dd725df386ec147a6\
                    be074947c733094f47a7222552376740aa8348a0ae1c7f2d972a0ad664f8b8ec\
                    81dfc9af078b61daea5dde874fd73775b4cd65acf069ada0b2b9bfbb4a9817ba\
                    41d4dcaff7653df5c8cd9ce7f59eec92ae9e61314e03ef48839810ea825520",
        ciphertext: "8ebb80a490915d0029cd86349723b590aebad5e561fb585f9310a0fd676dec2c\
                     320fd5dd4488e2f8ec6d0fe6dcfed01442840c57226495cfe2bc7b501505ad02\
                     f2c85b7263c844ea4b1de6b4a31931416a734cc10a1d03a105aa7276cbfb6b48\
                     8bd45b88c851d96f2803bc00a973e070cdd5fcab727e9e7bc893113e75e1fc",
        tag: "4ae233941ee9c41b6a98735150511f43",
    },
    Known {
        source: "Wycheproof, sm4_gcm_test.json, case 37",
        key: "00112233445566778899aabbccddeeff",
        nonce: "000000000000000000000000",
        aad: "",
        plaintext: "5d5078da12857e409e1f3ae19cfc8a3a",
        ciphertext: "70b0c110177e873599d05676fcde10ed",
        tag: "ffffffffffffffffffffffffffffffff",
    },
    Known {
        source: "Wycheproof, sm4_gcm_test.json, case 38",
        key: "00112233445566778899aabbccddeeff",
        nonce: "ffffffffffffffffffffffff",
        aad: "",
        plaintext: "f3937d8216ab17e05ffb8b490a001a1c",
        ciphertext: "362c07b231c4525edc14db3319f19f19",
        tag: "00000000000000000000000000000000",
    },
];

/// The bits of a tag that Wycheproof's cases of the kind ModifiedTag flip one by one.
const FLIPPED_BITS: [usize; 19] =
    [0, 1, 7, 8, 31, 32, 33, 63, 64, 71, 77, 80, 96, 97, 103, 120, 121, 126, 127];

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// A cipher with exactly this key, as published answers have it, rather than with one derived from it.
fn with_key(algorithm: Algorithm, key: &[u8]) -> Cipher {
    let engine = match algorithm {
        Algorithm::Aes256Gcm => {
            Engine::Aead(Box::new(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap())))
        }
        Algorithm::ChaCha20Poly1305 => {
            Engine::Aead(Box::new(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).unwrap())))
        }
        Algorithm::Sm4Gcm => Engine::Sm4(Box::new(Sm4Gcm::new(&Secret::new(key.try_into().unwrap())))),
        Algorithm::Aes256CbcHmacSha256 => {
            Engine::Cbc(Box::new(CbcHmac::new(key.try_into().unwrap(), &[7; 32]).unwrap()))
        }
    };
    Cipher { algorithm, engine, mac: hmac::Key::new(hmac::HMAC_SHA256, b"") }
}

fn seal_with_nonce(cipher: &Cipher, nonce: &[u8], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut out = vec![0; cipher.algorithm().sealed_bytes(plaintext.len())];
    out[..nonce.len()].copy_from_slice(nonce);
    cipher.seal_under(aad, plaintext, &mut out).unwrap();
    out
}

fn cipher(algorithm: Algorithm) -> Cipher {
    Cipher::new(algorithm, &Secret::new([3; 32])).unwrap()
}

fn assert_invalid(opened: Result<Plaintext>, what: &str) {
    assert!(matches!(opened, Err(Error::InvalidCiphertext)), "{what}");
}

fn check(algorithm: Algorithm, known: &[Known]) {
    for case in known {
        let cipher = with_key(algorithm, &bytes(case.key));
        let (nonce, aad, plaintext) = (bytes(case.nonce), bytes(case.aad), bytes(case.plaintext));
        let expected = [nonce.clone(), bytes(case.ciphertext), bytes(case.tag)].concat();

        let sealed = seal_with_nonce(&cipher, &nonce, &aad, &plaintext);

        assert_eq!(crate::hex(&sealed), crate::hex(&expected), "{}", case.source);
        assert_eq!(cipher.open(&aad, &sealed).unwrap().expose(), plaintext, "{}", case.source);
    }
}

#[test]
fn aes_256_gcm_gives_the_published_answers() {
    check(Algorithm::Aes256Gcm, AES_256_GCM_KNOWN);
}

#[test]
fn chacha20_poly1305_gives_the_published_answers() {
    check(Algorithm::ChaCha20Poly1305, CHACHA20_POLY1305_KNOWN);
}

#[test]
fn sm4_gcm_gives_the_published_answers() {
    check(Algorithm::Sm4Gcm, SM4_GCM_KNOWN);
}

#[test]
fn aes_256_cbc_gives_the_blocks_of_nist_sp_800_38a_f_2_5_and_a_block_of_padding() {
    let key = bytes("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
    let iv = bytes("000102030405060708090a0b0c0d0e0f");
    let plaintext = bytes(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
         30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
    );

    let cipher = with_key(Algorithm::Aes256CbcHmacSha256, &key);
    let sealed = seal_with_nonce(&cipher, &iv, b"", &plaintext);

    // The fifth block is that of PKCS #7, as `openssl enc -aes-256-cbc` gives it.
    let expected = "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d\
                    39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b\
                    3f461796d6b0d6b2e0c2a72b4d80e644";
    assert_eq!(crate::hex(&sealed[16..96]), expected);
    assert_eq!(sealed.len(), 16 + 80 + 32);
}

#[test]
fn tags_with_a_flipped_bit_are_refused_as_wycheproof_has_them() {
    // (algorithm, case of the first, key, nonce, associated data, plaintext, ciphertext, the right tag)
    let cases = [
        (
            Algorithm::Aes256Gcm,
            "aes_gcm_test.json, cases 130 to 148",
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
            "",
            "202122232425262728292a2b2c2d2e2f",
            "b2061457c0759fc1749f174ee1ccadfa",
            "9ce8fef6d8ab1bf1bf887232eab590dd",
        ),
        (
            Algorithm::Sm4Gcm,
            "sm4_gcm_test.json, cases 39 to 57",
            "000102030405060708090a0b0c0d0e0f",
            "",
            "202122232425262728292a2b2c2d2e2f",
            "2610dc674b46c13dd4e2406d0c0873c4",
            "507976811555a04bb20921a3d81edae4",
        ),
    ];
    for (algorithm, source, key, aad, plaintext, ciphertext, tag) in cases {
        let cipher = with_key(algorithm, &bytes(key));
        let nonce = bytes("505152535455565758595a5b");
        let right = [nonce, bytes(ciphertext), bytes(tag)].concat();
        assert_eq!(cipher.open(&bytes(aad), &right).unwrap().expose(), bytes(plaintext), "{source}");

        for bit in FLIPPED_BITS {
            let mut wrong = right.clone();
            let tag_start = wrong.len() - 16;
            wrong[tag_start + bit / 8] ^= 1 << (bit % 8);
            assert_invalid(cipher.open(&bytes(aad), &wrong), &format!("{source}: bit {bit}"));
        }
    }

    let cipher = with_key(
        Algorithm::ChaCha20Poly1305,
        &bytes("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
    );
    let nonce = "000102030405060708090a0b";
    let right = bytes(&format!("{nonce}a3e3fdf9fba6861b5ad2607f40b7f447"));
    assert_eq!(cipher.open(b"aad", &right).unwrap().expose(), b"");
    for (case, tag) in [(62, "a2e3fdf9fba6861b5ad2607f40b7f447"), (63, "a1e3fdf9fba6861b5ad2607f40b7f447")] {
        assert_invalid(cipher.open(b"aad", &bytes(&format!("{nonce}{tag}"))), &format!("case {case}"));
    }
}

#[test]
fn every_length_opens_again_and_is_as_long_as_promised() {
    for algorithm in Algorithm::ALL {
        let cipher = cipher(algorithm);
        for length in (0..=70).chain([255, 256, 1000, 4096, 65_537]) {
            let plaintext: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let mut out = b"before".to_vec();

            cipher.seal(b"aad", &plaintext, &mut out).unwrap();

            let sealed = out.strip_prefix(b"before").unwrap();
            assert_eq!(sealed.len(), algorithm.sealed_bytes(length), "{algorithm} {length}");
            assert_eq!(cipher.open(b"aad", sealed).unwrap().expose(), plaintext, "{algorithm} {length}");
        }
    }
}

#[test]
fn no_bit_can_change_and_no_byte_can_go_or_come() {
    for algorithm in Algorithm::ALL {
        let cipher = cipher(algorithm);
        let mut sealed = Vec::new();
        cipher.seal(b"aad", b"a value of more than one block", &mut sealed).unwrap();

        for position in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[position] ^= 1 << bit;
                assert_invalid(cipher.open(b"aad", &changed), &format!("{algorithm} {position} {bit}"));
            }
            let mut shorter = sealed.clone();
            shorter.remove(position);
            assert_invalid(cipher.open(b"aad", &shorter), &format!("{algorithm} without {position}"));
            assert_invalid(cipher.open(b"aad", &sealed[..position]), &format!("{algorithm} cut {position}"));
        }
        assert_invalid(cipher.open(b"aad", &[sealed.as_slice(), b"\0"].concat()), "a byte more");
        for aad in [&b""[..], b"aa", b"aae", b"aad\0", b"AAD"] {
            assert_invalid(cipher.open(aad, &sealed), &format!("{algorithm} {aad:?}"));
        }
    }
}

#[test]
fn a_byte_does_not_move_between_associated_data_and_text() {
    for algorithm in Algorithm::ALL {
        let cipher = cipher(algorithm);
        let mut sealed = Vec::new();
        cipher.seal(b"", &[5; 32], &mut sealed).unwrap();
        let nonce = algorithm.nonce_bytes();

        let moved: Vec<u8> = sealed[..nonce].iter().chain(&sealed[nonce + 1..]).copied().collect();

        assert_invalid(cipher.open(&sealed[nonce..=nonce], &moved), algorithm.name());
    }
}

#[test]
fn another_data_key_or_algorithm_opens_nothing() {
    for algorithm in Algorithm::ALL {
        let mut sealed = Vec::new();
        cipher(algorithm).seal(b"", &[0; 64], &mut sealed).unwrap();

        assert_invalid(
            Cipher::new(algorithm, &Secret::new([4; 32])).unwrap().open(b"", &sealed),
            algorithm.name(),
        );
        for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
            assert_invalid(cipher(other).open(b"", &sealed), other.name());
        }
    }
}

#[test]
fn the_keys_of_a_data_key_are_unrelated() {
    let data_key = Secret::new([3; 32]);
    let extracted = extract(&hmac::Key::new(hmac::HMAC_SHA256, EXTRACT_SALT), data_key.expose());
    let labels: &[[&str; 2]] = &[
        ["AES-256-GCM", "encrypt"],
        ["ChaCha20-Poly1305", "encrypt"],
        ["SM4-GCM", "encrypt"],
        ["AES-256-CBC", "encrypt"],
        ["AES-256-CBC", "authenticate"],
        ["HMAC-SHA-256", "authenticate"],
    ];

    let keys: std::collections::HashSet<[u8; 32]> =
        labels.iter().map(|label| *expand(&extracted, &join(label)).expose()).collect();

    assert_eq!(keys.len(), labels.len());
    assert!(!keys.contains(data_key.expose()));
}

#[test]
fn nonces_are_fresh() {
    for algorithm in Algorithm::ALL {
        let cipher = cipher(algorithm);
        let nonces: std::collections::HashSet<Vec<u8>> = (0..1000)
            .map(|_| {
                let mut sealed = Vec::new();
                cipher.seal(b"", b"x", &mut sealed).unwrap();
                sealed[..algorithm.nonce_bytes()].to_vec()
            })
            .collect();

        assert_eq!(nonces.len(), 1000, "{algorithm}");
    }
}

#[test]
fn a_text_above_the_limit_is_refused_and_leaves_nothing_behind() {
    for algorithm in Algorithm::ALL {
        let cipher = cipher(algorithm);
        let mut out = b"before".to_vec();

        let refused = cipher.seal(b"", &vec![0; PLAINTEXT_BYTES_MAX + 1], &mut out);

        assert!(matches!(refused, Err(Error::TooLong { .. })), "{algorithm}");
        assert_eq!(out, b"before");
        cipher.seal(b"", &vec![0; PLAINTEXT_BYTES_MAX], &mut out).unwrap();
        assert_eq!(cipher.open(b"", &out[6..]).unwrap().expose().len(), PLAINTEXT_BYTES_MAX);
    }
}

#[test]
fn padding_that_is_wrong_under_a_right_tag_is_refused() {
    let (encrypt, mac) = ([1; 32], [2; 32]);
    let engine = CbcHmac::new(&encrypt, &mac).unwrap();
    let iv = [9; 16];
    // One block that ends in each byte; encrypted without padding by way of a text that is one block longer.
    for (last, right) in [(0u8, false), (1, true), (2, false), (16, false), (17, false), (255, false)] {
        let mut block = [0x55u8; 16];
        block[15] = last;
        let mut body = [0u8; 32];
        engine.seal(&iv, b"", &block, &mut body).unwrap();
        let body = &body[..16];
        let tag = tag_of(&mac, &iv, body);
        let mut plaintext = [0u8; 16];

        let opened = engine.open(&iv, b"", body, &tag, &mut plaintext);

        assert_eq!(opened.is_ok(), right, "{last}");
    }
}

fn tag_of(mac: &[u8], iv: &[u8], body: &[u8]) -> [u8; 32] {
    let data = [iv, body, &0u64.to_be_bytes()].concat();
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, mac), &data).as_ref().try_into().unwrap()
}

#[test]
fn keys_and_plaintexts_are_never_printed() {
    let cipher = cipher(Algorithm::Aes256Gcm);
    let mut sealed = Vec::new();
    cipher.seal(b"", b"hunter2", &mut sealed).unwrap();

    assert_eq!(format!("{cipher:?}"), "Cipher(AES-256-GCM, [secret])");
    assert_eq!(format!("{:?}", cipher.open(b"", &sealed).unwrap()), "[secret]");
}
