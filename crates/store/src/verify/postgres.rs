//! PostgreSQL: what the catalogue says of the schema `public`, of our roles and of the login.
//!
//! Every statement gives kind, whole, name and definition of one sort of object. What extensions own is
//! theirs. The months of the audit log are looked at in [`super::months`]: there is no fixed number of them.

use sqlx::{Executor as _, PgConnection};

use super::entry::Entry;
use super::{Finding, Found};
use crate::Result;
use crate::pool::login;

/// What this binary's migrations make, as a test wrote it down.
const EXPECTED: &str = include_str!("postgres.txt");

/// Our roles, for a list in a statement.
macro_rules! roles {
    () => {
        "('owner', 'app_user', 'app_platform', 'audit_ro', 'audit_retention')"
    };
}

/// Relations `c` of ours or of whoever uses the schema by hand: neither parts of extensions nor partitions nor
/// months of the audit log that were taken out.
macro_rules! relations {
    () => {
        "c.relnamespace = 'public'::regnamespace AND NOT c.relispartition \
         AND c.relname !~ '^audit_logs_archive_[0-9]{4}_[0-9]{2}$' \
         AND NOT EXISTS (SELECT 1 FROM pg_depend e WHERE e.classid = 'pg_class'::regclass \
             AND e.objid = c.oid AND e.deptype = 'e')"
    };
}

/// Functions `p`, alike.
macro_rules! functions {
    () => {
        "p.pronamespace = 'public'::regnamespace \
         AND NOT EXISTS (SELECT 1 FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass \
             AND e.objid = p.oid AND e.deptype = 'e')"
    };
}

/// Who a grant is for.
macro_rules! grantee {
    () => {
        "coalesce(g.rolname::text, 'PUBLIC')"
    };
}

/// The rights of an access list, as `GRANT` takes them.
macro_rules! rights {
    () => {
        "string_agg(lower(x.privilege_type) || CASE WHEN x.is_grantable THEN ' with grant option' ELSE '' END, \
         ', ' ORDER BY x.privilege_type)"
    };
}

const STATEMENTS: [&str; 25] = [
    "SELECT 'extension', '', x.extname::text, 'in schema ' || n.nspname FROM pg_extension x \
     JOIN pg_namespace n ON n.oid = x.extnamespace WHERE x.extname IN ('pgcrypto', 'pg_trgm')",
    concat!(
        "SELECT 'role', '', rolname::text, concat_ws(', ', \
             CASE WHEN rolcanlogin THEN 'may sign in' ELSE 'may not sign in' END, \
             CASE WHEN rolsuper THEN 'superuser' END, \
             CASE WHEN rolbypassrls THEN 'bypasses row-level security' END, \
             CASE WHEN rolcreaterole THEN 'makes roles' END, \
             CASE WHEN rolcreatedb THEN 'makes databases' END, \
             CASE WHEN rolreplication THEN 'replicates' END) \
         FROM pg_roles WHERE rolname IN ",
        roles!()
    ),
    concat!(
        "SELECT DISTINCT 'membership', m.rolname::text, g.rolname::text, 'member' FROM pg_auth_members a \
         JOIN pg_roles m ON m.oid = a.member JOIN pg_roles g ON g.oid = a.roleid WHERE m.rolname IN ",
        roles!()
    ),
    "SELECT 'database', '', 'owner', pg_get_userbyid(datdba)::text FROM pg_database \
     WHERE datname = current_database()",
    "SELECT 'database', '', 'encoding', pg_encoding_to_char(encoding)::text FROM pg_database \
     WHERE datname = current_database()",
    "SELECT 'database', '', 'time zone', coalesce((SELECT max(substr(s, 10)) FROM pg_db_role_setting r, \
         unnest(r.setconfig) s WHERE r.setdatabase = d.oid AND r.setrole = 0 AND lower(s) LIKE 'timezone=%'), \
         'that of the server') FROM pg_database d WHERE datname = current_database()",
    concat!(
        "SELECT 'right', 'database', ",
        grantee!(),
        ", ",
        rights!(),
        " FROM pg_database d CROSS JOIN aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) x \
         LEFT JOIN pg_roles g ON g.oid = x.grantee WHERE d.datname = current_database() \
         AND x.privilege_type <> 'CONNECT' AND x.grantee <> d.datdba AND (x.grantee = 0 OR g.rolname IN ",
        roles!(),
        ") GROUP BY g.rolname"
    ),
    concat!(
        "SELECT 'right', 'schema public', ",
        grantee!(),
        ", ",
        rights!(),
        " FROM pg_namespace n CROSS JOIN aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) x \
         LEFT JOIN pg_roles g ON g.oid = x.grantee WHERE n.nspname = 'public' AND x.grantee <> n.nspowner \
         AND coalesce(g.rolname, '') <> 'owner' AND (x.privilege_type = 'CREATE' OR g.rolname IN ",
        roles!(),
        ") GROUP BY g.rolname"
    ),
    "SELECT 'default right', '', coalesce(n.nspname::text, 'any schema') || ' ' || a.defaclobjtype::text, \
         array_to_string(a.defaclacl, ' ') \
     FROM pg_default_acl a LEFT JOIN pg_namespace n ON n.oid = a.defaclnamespace \
     WHERE pg_get_userbyid(a.defaclrole) = 'owner'",
    concat!(
        "SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'view' WHEN 'S' THEN 'sequence' ELSE 'table' END, \
             '', c.relname::text, CASE \
             WHEN c.relkind IN ('v', 'm') THEN concat_ws(' ', CASE c.relkind WHEN 'm' THEN 'materialised' END, \
                 array_to_string(c.reloptions, ', '), \
                 regexp_replace(pg_get_viewdef(c.oid), '\\m[a-z_][a-z0-9_]*\\.', '', 'g')) \
             WHEN c.relkind = 'p' THEN 'partitioned by ' || pg_get_partkeydef(c.oid) \
             WHEN c.relkind = 'f' THEN 'foreign' \
             WHEN c.relpersistence = 'u' THEN 'unlogged: a crash of the server empties it' \
             ELSE 'ordinary' END \
         FROM pg_class c WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S') AND ",
        relations!()
    ),
    concat!(
        "SELECT 'owner', '', c.relname::text, pg_get_userbyid(c.relowner)::text FROM pg_class c \
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S') AND ",
        relations!()
    ),
    concat!(
        "SELECT 'wall', '', c.relname::text, CASE WHEN NOT c.relrowsecurity THEN 'off' \
             WHEN c.relforcerowsecurity THEN 'on and forced' ELSE 'on' END \
         FROM pg_class c WHERE c.relkind IN ('r', 'p') AND ",
        relations!()
    ),
    concat!(
        "SELECT 'right', c.relname::text, ",
        grantee!(),
        ", ",
        rights!(),
        " FROM pg_class c CROSS JOIN aclexplode(c.relacl) x LEFT JOIN pg_roles g ON g.oid = x.grantee \
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S') AND x.grantee <> c.relowner AND ",
        relations!(),
        " GROUP BY c.relname, g.rolname"
    ),
    concat!(
        "SELECT 'right', c.relname::text, ",
        grantee!(),
        " || ' (' || a.attname || ')', ",
        rights!(),
        " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid CROSS JOIN aclexplode(a.attacl) x \
         LEFT JOIN pg_roles g ON g.oid = x.grantee WHERE NOT a.attisdropped AND ",
        relations!(),
        " GROUP BY c.relname, g.rolname, a.attname"
    ),
    concat!(
        "SELECT 'column', c.relname::text, a.attname::text, concat_ws(' ', format_type(a.atttypid, a.atttypmod), \
             (SELECT 'COLLATE \"' || l.collname || '\"' FROM pg_collation l, pg_type t \
              WHERE t.oid = a.atttypid AND l.oid = a.attcollation AND l.oid <> t.typcollation), \
             CASE WHEN a.attnotnull THEN 'NOT NULL' END, \
             CASE a.attidentity WHEN 'a' THEN 'GENERATED ALWAYS AS IDENTITY' WHEN 'd' THEN 'GENERATED BY DEFAULT AS IDENTITY' END, \
             CASE WHEN a.attgenerated <> '' THEN 'GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') STORED' \
                 ELSE 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) END) \
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
         LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
         WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND ",
        relations!()
    ),
    // Not-null constraints have rows of their own from version 18 on; they stand with the columns.
    concat!(
        "SELECT 'constraint', c.relname::text, k.conname::text, pg_get_constraintdef(k.oid) \
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid \
         WHERE k.contype <> 'n' AND k.conparentid = 0 AND ",
        relations!()
    ),
    // The index of a constraint follows from that, unless it is broken.
    concat!(
        "SELECT 'index', c.relname::text, n.relname::text, concat_ws(' ', pg_get_indexdef(i.indexrelid), \
             CASE WHEN NOT i.indisvalid OR NOT i.indisready THEN '(invalid: it answers nothing)' END) \
         FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class n ON n.oid = i.indexrelid \
         WHERE (NOT i.indisvalid OR NOT EXISTS (SELECT 1 FROM pg_constraint k \
             WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))) AND ",
        relations!()
    ),
    concat!(
        "SELECT 'trigger', c.relname::text, t.tgname::text, concat_ws(' ', pg_get_triggerdef(t.oid), \
             CASE t.tgenabled WHEN 'O' THEN NULL WHEN 'A' THEN '(also for replicas)' ELSE '(it does not fire)' END) \
         FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid \
         WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND ",
        relations!()
    ),
    concat!(
        "SELECT DISTINCT 'trigger', c.relname::text, k.conname::text, 'foreign key that is not held: its triggers are off' \
         FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_constraint k ON k.oid = t.tgconstraint \
         WHERE t.tgisinternal AND t.tgenabled <> 'O' AND ",
        relations!()
    ),
    concat!(
        "SELECT 'rule', c.relname::text, r.rulename::text, pg_get_ruledef(r.oid) \
         FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE r.rulename <> '_RETURN' AND ",
        relations!()
    ),
    concat!(
        "SELECT 'policy', c.relname::text, p.polname::text, concat_ws(' ', \
             CASE WHEN NOT p.polpermissive THEN 'AS RESTRICTIVE' END, \
             'FOR ' || CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' \
                 WHEN 'd' THEN 'DELETE' ELSE 'ALL' END, \
             'TO ' || (SELECT string_agg(coalesce(g.rolname::text, 'PUBLIC'), ', ' ORDER BY g.rolname) \
                 FROM unnest(p.polroles) r (oid) LEFT JOIN pg_roles g ON g.oid = r.oid), \
             'USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', \
             'WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')') \
         FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE ",
        relations!()
    ),
    concat!(
        "SELECT 'tuning', c.relname::text, a.attname::text, 'statistics ' || a.attstattarget \
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
         WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND a.attstattarget >= 0 AND ",
        relations!()
    ),
    concat!(
        "SELECT 'tuning', c.relname::text, '(storage)', array_to_string(c.reloptions, ', ') FROM pg_class c \
         WHERE c.relkind IN ('r', 'p') AND c.reloptions IS NOT NULL AND ",
        relations!()
    ),
    concat!(
        "SELECT 'function', '', p.oid::regprocedure::text, concat_ws(', ', \
             CASE p.prokind WHEN 'f' THEN NULL ELSE 'kind ' || p.prokind::text END, \
             'arguments (' || pg_get_function_arguments(p.oid) || ')', 'returns ' || pg_get_function_result(p.oid), \
             l.lanname, CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' END, \
             CASE WHEN p.prosecdef THEN 'security definer' END, CASE WHEN p.proisstrict THEN 'strict' END, \
             CASE WHEN p.proleakproof THEN 'leakproof' END, \
             'settings (' || array_to_string(p.proconfig, '; ') || ')', \
             'body ' || left(encode(sha256(convert_to(p.prosrc, 'UTF8')), 'hex'), 16)) \
         FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE ",
        functions!()
    ),
    concat!(
        "SELECT 'owner', '', p.oid::regprocedure::text, pg_get_userbyid(p.proowner)::text FROM pg_proc p WHERE ",
        functions!()
    ),
];

/// Apart from the others, because its grants are grouped by function.
const FUNCTION_RIGHTS: &str = concat!(
    "SELECT 'right', p.oid::regprocedure::text, ",
    grantee!(),
    ", ",
    rights!(),
    " FROM pg_proc p CROSS JOIN aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x \
     LEFT JOIN pg_roles g ON g.oid = x.grantee WHERE x.grantee <> p.proowner AND ",
    functions!(),
    " GROUP BY p.oid, g.rolname"
);

/// What this binary's migrations make.
pub(super) fn expected() -> Result<Vec<Entry>> {
    EXPECTED.lines().map(Entry::parse).collect()
}

/// What the database has, in the order of the text.
pub(super) async fn describe(connection: &mut PgConnection) -> Result<Vec<Entry>> {
    // One moment for all statements.
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let mut entries = Vec::new();
    for statement in STATEMENTS.into_iter().chain([FUNCTION_RIGHTS]) {
        let rows: Vec<(String, String, String, Option<String>)> =
            sqlx::query_as(statement).fetch_all(&mut *connection).await?;
        for (kind, part_of, name, definition) in rows {
            let definition = without_casts(definition.as_deref().unwrap_or_default());
            entries.push(Entry::read(&kind, &part_of, &name, &definition)?);
        }
    }
    connection.execute("COMMIT").await?;
    entries.sort();
    Ok(entries)
}

/// The same without the casts of literals to text, which the server writes differently after `pg_restore`:
/// `(ARRAY['A'::character varying])::text[]` becomes `ARRAY[('A'::character varying)::text]`.
fn without_casts(definition: &str) -> String {
    let text = definition.replace("'::character varying", "'").replace("'::text", "'");
    let text = bare(&text, ("(ARRAY[", "ARRAY["), ("])::text[]", "]"), |_| true);
    // A literal alone: with a quote inside it would be more than one.
    bare(&text, ("('", "'"), ("')::text", "'"), |inside| !inside.contains('\''))
}

/// Takes a cast off: what opens and what closes it, each with what stays of it.
fn bare(text: &str, open: (&str, &str), close: (&str, &str), may: fn(&str) -> bool) -> String {
    let (mut done, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(close.0) {
        done.push_str(before);
        match done.rsplit_once(open.0) {
            Some((head, inside)) if may(inside) => done = format!("{head}{}{inside}{}", open.1, close.1),
            _ => done.push_str(close.0),
        }
        rest = after;
    }
    done + rest
}

/// What is wrong with the login that the service signs in with.
pub(super) async fn check_login(
    connection: &mut PgConnection,
    allow_superuser: bool,
    into: &mut Found,
) -> Result<()> {
    let login = login::look(connection).await?;
    let name = &login.name;
    if !allow_superuser && (login.superuser || login.bypasses) {
        into.differs(Finding {
            object: format!("login {name}"),
            found: if login.superuser { "a superuser" } else { "BYPASSRLS" }.to_owned(),
            expected: "a login that row-level security binds".to_owned(),
            run: "deploy/db/init.sh, which makes one, and use that".to_owned(),
        });
    }
    if !login.superuser && !login.lacking.is_empty() {
        let lacking = login.lacking.join(", ");
        into.differs(Finding {
            object: format!("login {name}"),
            found: format!("no member of {lacking}"),
            expected: "a member of owner, app_user and app_platform".to_owned(),
            run: format!("as an administrator: GRANT {lacking} TO {name};"),
        });
    }
    Ok(())
}

/// Settings that new connections of the login get: some of them change what statements mean.
pub(super) async fn check_settings(connection: &mut PgConnection, into: &mut Found) -> Result<()> {
    const SETTINGS: &str = "SELECT s, CASE WHEN r.setrole = 0 THEN 'database ' || current_database() \
             ELSE 'login ' || session_user END \
         FROM pg_db_role_setting r, unnest(r.setconfig) s \
         WHERE r.setdatabase IN (0, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())) \
         AND r.setrole IN (0, (SELECT l.oid FROM pg_roles l WHERE l.rolname = session_user)) \
         AND lower(s) NOT LIKE 'timezone=%' ORDER BY 1";
    let rows: Vec<(String, String)> = sqlx::query_as(SETTINGS).fetch_all(connection).await?;
    for (setting, whose) in rows {
        let name = setting.split('=').next().unwrap_or_default();
        into.warns(Finding {
            object: format!("setting {name} of {whose}"),
            expected: "that of the server".to_owned(),
            run: format!("nothing, if it was meant; otherwise ALTER {} RESET {name};", altered(&whose)),
            found: setting,
        });
    }
    Ok(())
}

/// `login x` and `database x` as `ALTER` takes them.
fn altered(whose: &str) -> String {
    match whose.split_once(' ') {
        Some(("login", name)) => format!("ROLE {name}"),
        Some((_, name)) => format!("DATABASE {name}"),
        None => whose.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_casts;

    #[test]
    fn a_list_of_words_reads_alike_as_it_was_made_and_as_it_was_restored() {
        let made =
            "CHECK (((s)::text = ANY ((ARRAY['A'::character varying, 'B'::character varying])::text[])))";
        let restored = "CHECK (((s)::text = ANY (ARRAY[('A'::character varying)::text, ('B'::character varying)::text])))";
        let made_again = "CHECK (((s)::text = ANY (ARRAY['A'::text, 'B'::text])))";

        for text in [made, restored, made_again] {
            assert_eq!(without_casts(text), "CHECK (((s)::text = ANY (ARRAY['A', 'B'])))");
        }
    }

    #[test]
    fn what_groups_conditions_stays() {
        for text in
            ["((a)::text = 'x') OR (('b')::jsonb = c)", "lower(('it''s' || b)::text)", "(ARRAY[1, 2])"]
        {
            assert_eq!(without_casts(text), text);
        }
    }
}
