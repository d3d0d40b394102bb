use aws_lc_rs::rsa::KeyPairComponents;
use serde_json::json;

use super::*;

/// RFC 7515, appendix A.1.1: the payload of its examples A.1 to A.3, with its line breaks.
const PAYLOAD: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

/// RFC 7515, appendix A.2.1: the public modulus.
const RSA_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4Ql\
                     L-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUs\
                     LA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoud\
                     F8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

/// RFC 7515, appendix A.2.1: the signature.
const RSA_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2\
                             Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSj\
                             tQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvW\
                             h6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

/// RFC 8037, appendices A.1 and A.4.
const ED25519_D: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
const ED25519_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const ED25519_INPUT: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
const ED25519_SIGNATURE: &str =
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

fn bytes(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn key(jwk: serde_json::Value) -> VerifyingKey {
    VerifyingKey::from_jwk(&serde_json::from_value(jwk).unwrap()).unwrap()
}

/// Verifies a published signature, and refuses it for another input, another signature and another length.
#[track_caller]
fn check_vector(key: &VerifyingKey, input: &str, signature: &str) {
    let signature = bytes(signature);
    assert_eq!(key.verify(input.as_bytes(), &signature), Ok(()));

    assert_eq!(key.verify(&input.as_bytes()[1..], &signature), Err(Error::BadSignature));
    assert_eq!(key.verify(input.as_bytes(), &signature[1..]), Err(Error::BadSignature));
    assert_eq!(
        key.verify(input.as_bytes(), &[signature.as_slice(), &[0]].concat()),
        Err(Error::BadSignature)
    );
    for index in 0..signature.len() {
        let mut changed = signature.clone();
        changed[index] ^= 1;
        assert_eq!(key.verify(input.as_bytes(), &changed), Err(Error::BadSignature), "byte {index}");
    }
}

fn sign(key: &SigningKey, input: &str) -> Vec<u8> {
    key.sign(input.as_bytes(), &mut [0; SIGNATURE_BYTES_MAX]).unwrap().to_vec()
}

#[test]
fn rfc_8037_appendix_a_4_verifies_and_is_signed_alike() {
    let verifying = key(json!({"kty": "OKP", "crv": "Ed25519", "x": ED25519_X}));
    check_vector(&verifying, ED25519_INPUT, ED25519_SIGNATURE);

    // RFC 8410, section 7: a PKCS#8 Ed25519 key is this prefix and the 32 byte seed.
    let prefix = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let pkcs8 = [prefix.as_slice(), &bytes(ED25519_D)].concat();
    let signing = SigningKey::from_pkcs8(Algorithm::EdDsa, "a".into(), &pkcs8).unwrap();
    assert_eq!(sign(&signing, ED25519_INPUT), bytes(ED25519_SIGNATURE));
    assert_eq!(*signing.to_pkcs8().unwrap(), pkcs8);
}

#[test]
fn rfc_7515_appendix_a_2_verifies_and_is_signed_alike() {
    let input = format!("eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}");
    check_vector(&key(json!({"kty": "RSA", "n": RSA_N, "e": "AQAB"})), &input, RSA_SIGNATURE);

    let pair = RsaKeyPair::from_components(&KeyPairComponents {
        public_key: RsaPublicKeyComponents { n: bytes(RSA_N), e: bytes("AQAB") },
        d: bytes(
            "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui39\
             5IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGco\
             pV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR\
             _RQyGWSeWjnczT0QU91p1DhOVRuOopznQ",
        ),
        p: bytes(
            "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn\
             7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc",
        ),
        q: bytes(
            "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62w\
             Dmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc",
        ),
        dP: bytes(
            "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12\
             Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0",
        ),
        dQ: bytes(
            "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjM\
             d2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU",
        ),
        qInv: bytes(
            "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKL\
             EdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U",
        ),
    })
    .unwrap();
    let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
    let signing = SigningKey::from_pkcs8(Algorithm::Rs256, "2010-12-29".into(), pkcs8.as_ref()).unwrap();
    assert_eq!(sign(&signing, &input), bytes(RSA_SIGNATURE));
    assert_eq!(signing.kid(), "2010-12-29");
}

#[test]
fn rfc_7515_appendix_a_3_verifies() {
    let verifying = key(json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
    }));

    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

    check_vector(&verifying, &format!("eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}"), signature);
}

#[test]
fn a_generated_key_is_named_by_its_thumbprint_and_survives_storage() {
    for &algorithm in Algorithm::ALL {
        let generated = SigningKey::generate(algorithm).unwrap();
        assert_eq!(generated.algorithm(), algorithm);
        assert_eq!(generated.kid(), generated.public_jwk().thumbprint());
        assert_eq!(generated.public_jwk().kid(), Some(generated.kid()));

        let pkcs8 = generated.to_pkcs8().unwrap();
        let read = SigningKey::from_pkcs8(algorithm, generated.kid().to_owned(), &pkcs8).unwrap();

        assert_eq!(read.public_jwk(), generated.public_jwk());
        let verifying = VerifyingKey::from_jwk(&generated.public_jwk()).unwrap();
        assert_eq!((verifying.kid(), verifying.algorithm()), (generated.kid(), algorithm));
        assert_eq!(verifying.verify(b"input", &sign(&read, "input")), Ok(()));
    }
}

#[test]
fn the_first_two_segments_are_the_header_and_the_payload() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();

    for typ in ["at+jwt", "JWT", "logout+jwt", "we\"ird"] {
        let token = key.sign_compact(typ, b"{\"a\":1}").unwrap();
        let segments: Vec<Vec<u8>> = token.split('.').map(bytes).collect();

        let header: serde_json::Value = serde_json::from_slice(&segments[0]).unwrap();
        assert_eq!(header, json!({"alg": "ES256", "kid": key.kid(), "typ": typ}));
        assert_eq!(segments[1], b"{\"a\":1}");
        assert_eq!(segments[2].len(), 64, "r || s, not DER");
    }
}

#[test]
fn a_token_is_signed_up_to_the_limit_and_not_beyond() {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let fixed = key.sign_compact("JWT", b"").unwrap().len();
    let fits = vec![b' '; (TOKEN_BYTES_MAX - fixed) / 4 * 3];

    assert!(key.sign_compact("JWT", &fits).unwrap().len() <= TOKEN_BYTES_MAX);

    assert_eq!(key.sign_compact("JWT", &[fits, vec![b' '; 3]].concat()), Err(Error::TooLong));
}

#[test]
fn a_private_key_of_another_algorithm_or_out_of_range_is_refused() {
    let ed25519 = SigningKey::generate(Algorithm::EdDsa).unwrap().to_pkcs8().unwrap();
    let p256 = SigningKey::generate(Algorithm::Es256).unwrap().to_pkcs8().unwrap();
    let p384 =
        EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap().to_pkcs8v1().unwrap();
    let refused = |algorithm, kid: &str, pkcs8: &[u8]| {
        let result = SigningKey::from_pkcs8(algorithm, kid.to_owned(), pkcs8);
        matches!(result, Err(Error::InvalidKey(_)))
    };

    assert!(refused(Algorithm::Es256, "a", &ed25519));
    assert!(refused(Algorithm::Rs256, "a", &ed25519));
    assert!(refused(Algorithm::EdDsa, "a", &p256));
    assert!(refused(Algorithm::Es256, "a", p384.as_ref()));
    assert!(refused(Algorithm::EdDsa, "a", &ed25519[1..]));
    assert!(refused(Algorithm::EdDsa, "a", b""));
    assert!(refused(Algorithm::EdDsa, "", &ed25519));
    assert!(refused(Algorithm::EdDsa, "a b", &ed25519));
    assert!(!refused(Algorithm::EdDsa, "a", &ed25519));
}

#[test]
fn a_point_off_the_curve_is_refused() {
    let jwk = Jwk::new(PublicMaterial::P256 { x: [1; 32], y: [1; 32] }, None).unwrap();

    assert_eq!(VerifyingKey::from_jwk(&jwk).unwrap_err(), Error::InvalidKey("public key"));
}

#[test]
fn debug_output_shows_no_key_bytes_and_keys_are_shared_between_threads() {
    fn assert_shared<T: Send + Sync>(_: &T) {}
    let signing = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let verifying = VerifyingKey::from_jwk(&signing.public_jwk()).unwrap();
    assert_shared(&signing);
    assert_shared(&verifying);

    let kid = signing.kid();

    assert_eq!(format!("{signing:?}"), format!("SigningKey {{ algorithm: EdDsa, kid: {kid:?}, .. }}"));
    assert_eq!(format!("{verifying:?}"), format!("VerifyingKey {{ algorithm: EdDsa, kid: {kid:?}, .. }}"));
}
