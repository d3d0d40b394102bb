//! What the routes say of themselves.

use store::testing::TestDb;

#[tokio::test]
async fn every_operation_is_described_with_its_refusals() {
    let db = TestDb::sqlite().await;
    let clock = std::sync::Arc::new(base::FixedClock::at(base::Timestamp::from_seconds(0)));
    let random = std::sync::Arc::new(base::SeededRandom::new(1));
    let core = authz::Core::new(db.store.clone(), clock, random).unwrap();
    let service = directory::Service::new(core, kms::testing_kms(), "https://id.test".to_owned());
    let (_, tenant) = directory::tenant_routes(service.clone()).split_for_parts();
    let (_, platform) = directory::platform_routes(service).split_for_parts();

    let mut operations = Vec::new();
    for document in [tenant, platform] {
        let document = serde_json::to_value(&document).unwrap();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                assert!(operation["tags"][0].is_string(), "{method} {path}");
                assert!(operation["responses"]["403"].is_object(), "{method} {path}");
                let edits = ["patch", "delete"].contains(&method.as_str());
                assert_eq!(operation["responses"]["428"].is_object(), edits, "{method} {path}");
                operations.push(operation["operationId"].as_str().unwrap().to_owned());
            }
        }
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let text = serde_json::to_string(schemas).unwrap();
        assert!(!text.contains("\"password\"") && !text.contains("hash"), "{text}");
    }
    let total = operations.len();
    operations.sort_unstable();
    operations.dedup();
    assert_eq!(operations.len(), total, "an operation id stands twice: {operations:?}");
    assert!(total >= 30, "{operations:?}");
}
