//! PostgreSQL: the months of the audit log, past ones as they are and those ahead as they must be.

use std::collections::BTreeMap;

use base::Timestamp;
use sqlx::{PgConnection, Row as _};

use super::{Finding, Found};
use crate::Result;

/// Months ahead that maintenance keeps ready.
const AHEAD: i32 = 12;
/// Of these, how many must be there: events of a month without a partition fall into `audit_overflow`.
const NEEDED: i32 = 1;
/// What makes them.
const MAKE: &str = "signet maintenance run";

/// Every partition with what protects it.
const PARTITIONS: &str = "SELECT c.relname::text AS name, pg_get_expr(c.relpartbound, c.oid) AS bound, \
     pg_get_userbyid(c.relowner)::text AS owner, c.relpersistence = 'p' AS logged, \
     EXISTS (SELECT 1 FROM aclexplode(c.relacl) x WHERE x.grantee <> c.relowner) AS granted, \
     (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgenabled = 'O' \
         AND t.tgname IN ('trg_audit_logs_append_only', 'trg_audit_logs_no_truncate')) = 2 AS sealed, \
     (SELECT string_agg(n.relname, ', ' ORDER BY n.relname) FROM pg_index i JOIN pg_class n ON n.oid = i.indexrelid \
         WHERE i.indrelid = c.oid AND NOT (i.indisvalid AND i.indisready)) AS invalid, \
     (SELECT string_agg(o.name, ', ' ORDER BY o.name) FROM ( \
         SELECT 'constraint ' || k.conname AS name FROM pg_constraint k \
             WHERE k.conrelid = c.oid AND k.coninhcount = 0 AND k.contype <> 'n' \
         UNION ALL SELECT 'trigger ' || t.tgname FROM pg_trigger t WHERE t.tgrelid = c.oid \
             AND NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgname <> 'trg_audit_logs_no_truncate' \
         UNION ALL SELECT 'rule ' || r.rulename FROM pg_rewrite r WHERE r.ev_class = c.oid) o) AS own \
     FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid \
     WHERE h.inhparent = to_regclass('public.audit_logs') ORDER BY 1";

/// A month as its number since year 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Month(i32);

impl Month {
    fn of(now: Timestamp) -> Self {
        let now = now.to_offset_date_time();
        Self(now.year() * 12 + i32::from(u8::from(now.month())) - 1)
    }

    fn parse(table: &str) -> Option<Self> {
        let (year, month) = table.strip_prefix("audit_logs_")?.split_once('_')?;
        let (year, month): (i32, i32) = (year.parse().ok()?, month.parse().ok()?);
        let parsed = Self(year * 12 + month - 1);
        ((1..=12).contains(&month) && parsed.table() == table).then_some(parsed)
    }

    fn table(self) -> String {
        format!("audit_logs_{:04}_{:02}", self.0.div_euclid(12), self.0.rem_euclid(12) + 1)
    }

    fn first_day(self) -> String {
        format!("{:04}-{:02}-01", self.0.div_euclid(12), self.0.rem_euclid(12) + 1)
    }

    fn after(self, months: i32) -> Self {
        Self(self.0 + months)
    }

    fn bound(self) -> String {
        let (from, to) = (self.first_day(), self.after(1).first_day());
        format!("FOR VALUES FROM ('{from} 00:00:00+00') TO ('{to} 00:00:00+00')")
    }
}

/// Looks at every partition, and for those that must be there.
pub(super) async fn check(connection: &mut PgConnection, now: Timestamp, into: &mut Found) -> Result<()> {
    let mut bounds = BTreeMap::new();
    for row in sqlx::query(PARTITIONS).fetch_all(&mut *connection).await? {
        let name: String = row.try_get("name")?;
        let bound: String = row.try_get("bound")?;
        if name == "audit_overflow" || Month::parse(&name).is_some() {
            check_protection(&name, &row, into)?;
        }
        bounds.insert(name, bound);
    }
    check_bounds(&bounds, Month::of(now), into);
    check_overflow(connection, into).await
}

fn finding(object: String, found: &str, expected: &str, run: &str) -> Finding {
    Finding { object, found: found.to_owned(), expected: expected.to_owned(), run: run.to_owned() }
}

/// What a partition must have of its own: grants and walls of the whole log do not reach who asks for it by name.
fn check_protection(name: &str, row: &sqlx::postgres::PgRow, into: &mut Found) -> Result<()> {
    let object = || format!("partition {name} of audit_logs");
    let owner: String = row.try_get("owner")?;
    if owner != "owner" {
        let run = format!("as an administrator: ALTER TABLE {name} OWNER TO owner;");
        into.differs(finding(object(), &format!("owned by {owner}"), "owned by owner", &run));
    }
    if !row.try_get::<bool, _>("logged")? {
        let run = format!("SET ROLE owner; ALTER TABLE {name} SET LOGGED;");
        into.differs(finding(object(), "unlogged: a crash of the server empties it", "logged", &run));
    }
    if row.try_get::<bool, _>("granted")? {
        let run =
            format!("SET ROLE owner; look at `\\dp {name}` and REVOKE ALL ON {name} from whom it names");
        into.differs(finding(object(), "rights of its own", "none: who reads, reads audit_logs", &run));
    }
    if !row.try_get::<bool, _>("sealed")? {
        let run = format!(
            "SET ROLE owner; ALTER TABLE {name} ENABLE TRIGGER USER; SELECT protect_audit_partition('{name}');"
        );
        into.differs(finding(object(), "rows that may be changed or removed", "append-only", &run));
    }
    if let Some(own) = row.try_get::<Option<String>, _>("own")? {
        let run = format!("as owner, drop it from {name}");
        into.differs(finding(object(), &own, "nothing of its own", &run));
    }
    if let Some(invalid) = row.try_get::<Option<String>, _>("invalid")? {
        let run = format!("SET ROLE owner; REINDEX TABLE {name};");
        into.differs(finding(object(), &format!("invalid indexes: {invalid}"), "valid ones", &run));
    }
    Ok(())
}

fn check_bounds(bounds: &BTreeMap<String, String>, current: Month, into: &mut Found) {
    for (name, bound) in bounds {
        let object = format!("partition {name} of audit_logs");
        let expected = match Month::parse(name) {
            Some(month) => month.bound(),
            None if name == "audit_overflow" => "DEFAULT".to_owned(),
            None => {
                let run = format!(
                    "nothing, if it was meant; SET ROLE owner; ALTER TABLE audit_logs DETACH PARTITION {name};"
                );
                into.warns(finding(object, bound, "nothing: it is no month of this program's", &run));
                continue;
            }
        };
        if *bound != expected {
            into.differs(finding(
                object,
                bound,
                &expected,
                "SELECT detach_partition(…), then attach_partition(…)",
            ));
        }
    }
    if !bounds.contains_key("audit_overflow") {
        let object = "partition audit_overflow of audit_logs".to_owned();
        let run = "SET ROLE owner; CREATE TABLE audit_overflow PARTITION OF audit_logs DEFAULT; SELECT \
                   protect_audit_partition('audit_overflow');";
        into.differs(finding(object, "nothing", "DEFAULT", run));
    }
    for ahead in 0..=AHEAD {
        let month = current.after(ahead);
        if !bounds.contains_key(&month.table()) {
            let object = format!("partition {} of audit_logs", month.table());
            let finding = finding(object, "nothing", &month.bound(), MAKE);
            if ahead <= NEEDED { into.differs(finding) } else { into.warns(finding) }
        }
    }
}

async fn check_overflow(connection: &mut PgConnection, into: &mut Found) -> Result<()> {
    const MAY: &str =
        "SELECT coalesce(has_table_privilege(to_regclass('public.audit_overflow'), 'SELECT'), false)";
    // Any row, not the oldest: the table may have become large.
    const ANY: &str = "SELECT to_char(created_at, 'YYYY-MM-01') FROM audit_overflow LIMIT 1";
    if !sqlx::query_scalar::<_, bool>(MAY).fetch_one(&mut *connection).await? {
        return Ok(());
    }
    let any: Option<String> = sqlx::query_scalar(ANY).fetch_optional(connection).await?;
    if let Some(month) = any {
        let run = format!(
            "SET ROLE owner; SELECT create_audit_partition(date '{month}'); and the same for each other month of its rows"
        );
        let object = "partition audit_overflow of audit_logs".to_owned();
        into.warns(finding(object, &format!("rows, some of the month of {month}"), "no rows", &run));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn months(names: &[&str]) -> BTreeMap<String, String> {
        names
            .iter()
            .map(|name| ((*name).to_owned(), Month::parse(name).map_or("DEFAULT".to_owned(), Month::bound)))
            .collect()
    }

    fn check(bounds: &BTreeMap<String, String>, differences: usize, warnings: usize) {
        let mut into = Found::default();
        check_bounds(bounds, Month::parse("audit_logs_2026_11").unwrap(), &mut into);
        assert_eq!((into.differences.len(), into.warnings.len()), (differences, warnings), "{into:?}");
    }

    fn a_year() -> BTreeMap<String, String> {
        let first = Month::parse("audit_logs_2026_11").unwrap();
        let names: Vec<String> = (0..=AHEAD).map(|n| first.after(n).table()).collect();
        let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
        names.push("audit_overflow");
        months(&names)
    }

    #[test]
    fn this_month_and_twelve_ahead_are_all_that_must_be_there() {
        check(&a_year(), 0, 0);
        check(&a_year().into_iter().chain(months(&["audit_logs_2019_01"])).collect(), 0, 0);
    }

    #[test]
    fn the_next_month_is_needed_and_later_ones_are_worth_knowing() {
        let mut bounds = a_year();
        bounds.remove("audit_logs_2026_12");
        bounds.remove("audit_logs_2027_06");
        bounds.remove("audit_logs_2027_11");

        check(&bounds, 1, 2);
    }

    #[test]
    fn a_month_with_other_bounds_differs() {
        let mut bounds = a_year();
        bounds.insert("audit_logs_2026_12".to_owned(), Month::parse("audit_logs_2027_01").unwrap().bound());

        check(&bounds, 1, 0);
    }

    #[test]
    fn a_name_that_is_no_month_is_none() {
        for name in [
            "audit_logs_2026_13",
            "audit_logs_2026_00",
            "audit_logs_2026_1",
            "audit_logs_archive_2026_01",
            "x",
        ] {
            assert_eq!(Month::parse(name), None, "{name}");
        }
        assert_eq!(
            Month::parse("audit_logs_2026_12").unwrap().bound(),
            "FOR VALUES FROM ('2026-12-01 00:00:00+00') TO ('2027-01-01 00:00:00+00')"
        );
    }
}
