use base::{FieldError, Kind, Problem};
use utoipa::{IntoParams, IntoResponses, ToSchema};
use web::ListParams;
use web::failure::describe;
use web::openapi::{EditProblems, ProblemBody, Problems, WriteProblems};

fn statuses<R: IntoResponses>() -> Vec<String> {
    R::responses().into_keys().collect()
}

#[test]
fn the_usual_refusals_are_documented_with_the_problem_body() {
    assert_eq!(statuses::<Problems>(), ["400", "401", "403", "404", "429", "500", "503"]);
    assert_eq!(statuses::<WriteProblems>().len(), 11);
    assert!(statuses::<EditProblems>().contains(&"428".to_owned()));
    let document = serde_json::to_value(EditProblems::responses()).unwrap();
    assert_eq!(
        document["412"]["content"]["application/problem+json"]["schema"]["$ref"],
        format!("#/components/schemas/{}", ProblemBody::name())
    );
}

#[test]
fn every_parameter_of_a_list_is_optional_and_bounded() {
    let document = serde_json::to_value(ListParams::into_params(|| None)).unwrap();

    for (index, name) in ["limit", "cursor", "sort", "filter", "fields", "count"].into_iter().enumerate() {
        assert_eq!(document[index]["name"], name);
        assert_eq!(document[index]["in"], "query");
        assert_eq!(document[index]["required"], false, "{name}");
    }
    assert_eq!(document[0]["schema"]["maximum"].as_f64(), Some(200.0));
}

#[test]
fn a_problem_reads_back_as_it_was_written() {
    let problem = Problem::new(Kind::Invalid, "invalid_body", "the body does not fit")
        .field("/name", "too_long", "has 65 characters, expected at most 64")
        .retry_after(3);

    let body = describe(&problem, Some("trace-1"));

    let text = serde_json::to_string(&body).unwrap();
    assert_eq!(serde_json::from_str::<ProblemBody>(&text).unwrap(), body);
    let FieldError { pointer, .. } = &problem.errors()[0];
    assert_eq!(&body.errors[0].pointer, pointer);
}
