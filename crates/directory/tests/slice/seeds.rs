//! The default data, exactly.

use store::Sql;

use crate::world::World;

#[tokio::test]
async fn the_default_data_has_the_ids_and_names_of_the_acceptance_document() {
    for world in World::both().await {
        let me = world.get(&world.admin(), "/api/v1/users/me").await.ok().body;
        let demo = world.get(&world.admin(), "/api/v1/users/by-username/TESTUSER").await.ok().body;
        let tenant = world.get(&world.admin(), "/api/v1/tenant").await.ok().body;

        assert_eq!(me["id"], "00000000-0000-0000-0000-000000000001");
        assert_eq!((&me["username"], &me["email"]), (&"admin".into(), &"admin@openidaas.com".into()));
        assert_eq!((&me["phone"], &me["phone_verified"]), (&"+8613800000000".into(), &true.into()));
        assert_eq!((&me["email_verified"], &me["must_change_password"]), (&true.into(), &true.into()));
        assert_eq!(demo["id"], "00000000-0000-0000-0000-000000000002");
        assert_eq!(demo["password_set"], false);
        assert_eq!(tenant["id"], "00000000-0000-0000-0000-000000000001");
        assert_eq!((&tenant["code"], &tenant["name"]), (&"default".into(), &"Default Tenant".into()));
        assert_eq!(tenant["issuer"], "https://id.test/t/default");
        assert_eq!(tenant["config"]["password_policy"]["history_count"], 5);
        assert_eq!(tenant["config"]["mfa_policy"]["required_for_admin"], true);
        for (sql, expected) in [
            ("SELECT COUNT(*) FROM roles WHERE tenant_id = $1", 3),
            ("SELECT COUNT(*) FROM permissions WHERE tenant_id = $1", 26),
            ("SELECT COUNT(*) FROM users WHERE tenant_id = $1", 2),
            ("SELECT COUNT(*) FROM principals WHERE tenant_id = $1 AND status = 'active'", 2),
            ("SELECT COUNT(*) FROM user_roles WHERE tenant_id = $1", 2),
        ] {
            assert_eq!(world.one::<i64>(Sql::new(sql).bind(&world.default.id)).await, expected, "{sql}");
        }
        let platform = "SELECT role FROM platform_roles WHERE principal_id = $1";
        let role: String = world.one(Sql::new(platform).bind("00000000-0000-0000-0000-000000000001")).await;
        assert_eq!(role, "platform_admin");
    }
}
