use axum::extract::FromRequest;
use web::FormBody;
use web::form::{BadForm, Pairs, form_pairs};

use crate::request;

#[test]
fn pairs_are_decoded_strictly_and_in_order() {
    let owned = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
    };
    for (text, pairs) in [
        (&b""[..], &[][..]),
        (b"a=1&b=2&a=3", &[("a", "1"), ("b", "2"), ("a", "3")]),
        (b"&&a&=x&b==", &[("a", ""), ("", "x"), ("b", "=")]),
        (b"a+b=%E5%BC%A0+%2b%3D", &[("a b", "\u{5f20} +=")]),
    ] {
        assert_eq!(form_pairs(text).unwrap(), owned(pairs));
    }
    for (text, error) in [
        (&b"a=%"[..], BadForm::Percent),
        (b"a=%4", BadForm::Percent),
        (b"a=%4g", BadForm::Percent),
        (b"%zz=1", BadForm::Percent),
        (b"a=%ff", BadForm::NotUtf8),
        (b"\xc3=1", BadForm::NotUtf8),
    ] {
        assert_eq!(form_pairs(text).unwrap_err(), error);
    }
    assert_eq!(form_pairs("a&".repeat(200).as_bytes()).unwrap().len(), 200);
    assert_eq!(form_pairs("a&".repeat(201).as_bytes()).unwrap_err(), BadForm::TooMany);
}

#[test]
fn a_parameter_given_twice_is_refused_unless_it_may_be() {
    let pairs = |text: &str| Pairs::parse(text.as_bytes()).unwrap();

    assert_eq!(pairs("scope=a&x=1&scope=a").unique(&[]).unwrap_err().name, "scope");
    assert_eq!(pairs("c=&c=").unique(&["resource"]).unwrap_err().name, "c");
    // The same name in another spelling is the same parameter.
    assert_eq!(pairs("code=1&c%6fde=2").unique(&[]).unwrap_err().name, "code");
    let resources = pairs("resource=a&resource=b&resource=").unique(&["resource"]).unwrap();
    assert_eq!(resources.all("resource").collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn an_empty_parameter_is_absent_and_values_are_never_printed() {
    let pairs = Pairs::parse(b"state=&password=hunter2").unwrap();

    assert_eq!(pairs.get("state"), None);
    assert_eq!(pairs.get("password"), Some("hunter2"));
    assert_eq!(pairs.get("nothing"), None);
    assert_eq!(format!("{pairs:?}"), r#"["state", "password"]"#);
}

#[tokio::test]
async fn a_form_is_read_by_media_type_and_size() {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let read = async |pairs: &[(&str, &str)], body: &str| {
        let read = FormBody::from_request(request("POST", "/", pairs, body), &()).await;
        read.map(|form| form.0.len()).map_err(|failure| failure.0.code())
    };

    assert_eq!(read(&form, "a=1&b=2").await, Ok(2));
    assert_eq!(read(&form, "").await, Ok(0));
    assert_eq!(read(&form, &"a".repeat(64 * 1024)).await, Ok(1));
    assert_eq!(read(&form, &"a".repeat(64 * 1024 + 1)).await, Err("body_too_large"));
    assert_eq!(read(&form, "a=%").await, Err("malformed_form"));
    assert_eq!(read(&[("content-type", "application/json")], "{}").await, Err("unsupported_media_type"));
    assert_eq!(read(&[], "a=1").await, Err("unsupported_media_type"));
}
