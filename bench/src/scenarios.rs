//! Prepares an installation and measures every operation on it.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crate::capture::{SETTLE, Schema};
use crate::database::Database;
use crate::http::{Conn, Jar, request};
use crate::machine::{self, Cores};
use crate::measure::{Contender, Plan, Series, compare};
use crate::postgres;
use crate::process::{Server, Site, free_port};
use crate::template::Template;
use crate::work::{self, CodeFlow, PASSWORD, SECRET, TENANT, Users, WEB_CLIENTS, Work};
use crate::{Kind, Outcome};

/// Repetitions from which a template is learnt.
const REPETITIONS: usize = 3;
/// Sign-ins of one user in the whole run at most: Signet lets five sessions of a user live.
const SIGN_INS_OF_A_USER: u64 = 4;
const DATABASE: &str = "signet_bench";
const COPY: &str = "signet_bench_copy";

/// What was prepared before the measured servers were started.
struct Prepared {
    user_id: String,
    cold_tokens: Vec<String>,
    cookies: String,
    templates: Vec<Template>,
}

/// The rows of the two tables for one kind of database, and notes on them.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) operations: Vec<String>,
    pub(crate) passwords: Vec<String>,
    pub(crate) notes: Vec<String>,
}

/// What a scenario compares; what it takes to write its rows is known by the template's name.
struct Bench<'a> {
    plan: &'a Plan,
    kind: Kind,
    signet: Server,
    baseline: Server,
    postmaster: Option<u32>,
    prepared: Prepared,
    report: Report,
}

/// Measures one database kind.
pub(crate) async fn run(
    plan: &Plan,
    kind: Kind,
    binary: &Path,
    directory: &Path,
    server: Option<&postgres::Server>,
    cores: &Cores,
) -> Outcome<Report> {
    let directory = directory.join(format!("http-{kind}"));
    let url = match server {
        Some(server) => {
            server.create(DATABASE, None).await?;
            Some(server.url(DATABASE))
        }
        None => None,
    };
    let site = Site::new(binary, &directory, url)?;
    say(&format!("{kind}: preparing"));
    let prepared = prepare(plan, &site, &directory, cores).await?;
    let copy = copy_database(&site, &directory, server).await?;

    // Fresh processes: none of the prepared tokens was ever shown to them.
    let (signet, _) = cores.on_servers(|| site.serve())??;
    let baseline = start_baseline(&directory, &copy, &prepared.templates, cores)?;
    let postmaster = server.map(postgres::Server::postmaster);
    let mut bench = Bench { plan, kind, signet, baseline, postmaster, prepared, report: Report::default() };
    for template in &bench.prepared.templates {
        bench.report.notes.push(format!("{kind}, rows of {}: {}", template.name, template.describe()));
    }
    bench.evaluation().await?;
    bench.introspection().await?;
    bench.client_credentials().await?;
    bench.code_flows().await?;
    bench.passwords().await?;
    let Bench { signet, baseline, report, .. } = bench;
    drop(baseline);
    signet.stop()?;
    if let Some(server) = server {
        server.drop_database(COPY).await?;
        server.drop_database(DATABASE).await?;
    }
    Ok(report)
}

/// Progress goes to standard error; standard output is the report.
fn say(line: &str) {
    eprintln!("bench: {line}");
}

async fn prepare(plan: &Plan, site: &Site, directory: &Path, cores: &Cores) -> Outcome<Prepared> {
    let (first, _) = cores.on_all(|| site.serve())??;
    first.stop()?;
    // Two scenarios sign in by password, and one sign-in is for the sessions of the others.
    let sign_ins = plan.sign_ins * plan.rounds as u64 * 2 + 1;
    let users = usize::try_from(sign_ins.div_ceil(SIGN_INS_OF_A_USER)).unwrap_or(1).max(4);
    let file = directory.join("bench.yaml");
    std::fs::write(&file, work::manifest(users)).map_err(|e| format!("{}: {e}", file.display()))?;
    cores.on_all(|| site.apply(&file, &[("BENCH_PASSWORD", PASSWORD), ("BENCH_SECRET", SECRET)]))??;

    let (server, _) = cores.on_servers(|| site.serve())??;
    let mut conn = Conn::new(server.address());
    let mut jar = Jar::default();
    let page = format!("/t/{TENANT}/sign-in");
    // The last user: the turns begin with the first.
    work::sign_in(&mut conn, site.port, &page, &work::username(users - 1), &mut jar).await?;
    let cookies = jar.line();

    let database = Database::open(&site.database()).await?;
    let user_id =
        database.one(&format!("SELECT id FROM users WHERE username = '{}'", work::username(0))).await?;
    let schema = Schema::read(&database).await?;
    let mut templates = vec![capture_grant(&schema, &database, &mut conn, site.port).await?];
    for (algorithm, client) in WEB_CLIENTS {
        let flow = CodeFlow::new(site.port, client, cookies.clone());
        let name = format!("code-flow-{}", algorithm.to_lowercase());
        templates.push(capture_flow(&name, &schema, &database, &mut conn, &flow).await?);
    }
    database.close().await;

    let wanted = plan.cold_tokens * plan.rounds as u64 * plan.connections.len() as u64;
    let mut cold_tokens = Vec::new();
    for _ in 0..wanted {
        cold_tokens.push(work::take_token(&mut conn, site.port).await?);
    }
    drop(conn);
    server.stop()?;
    Ok(Prepared { user_id, cold_tokens, cookies, templates })
}

async fn capture_grant(
    schema: &Schema,
    database: &Database,
    conn: &mut Conn,
    port: u16,
) -> Outcome<Template> {
    let mut repetitions = Vec::new();
    // The first makes keys and verifies the secret: it is no example.
    work::take_token(conn, port).await?;
    for _ in 0..REPETITIONS {
        tokio::time::sleep(SETTLE).await;
        let before = schema.dump(database).await?;
        work::take_token(conn, port).await?;
        tokio::time::sleep(SETTLE).await;
        repetitions.push(vec![schema.change(&before, &schema.dump(database).await?)]);
    }
    schema.template("client-credentials", &repetitions)
}

async fn capture_flow(
    name: &str,
    schema: &Schema,
    database: &Database,
    conn: &mut Conn,
    flow: &CodeFlow,
) -> Outcome<Template> {
    let mut repetitions = Vec::new();
    let code = flow.authorize(conn).await?;
    flow.exchange(conn, &code).await?;
    for _ in 0..REPETITIONS {
        tokio::time::sleep(SETTLE).await;
        let before = schema.dump(database).await?;
        let code = flow.authorize(conn).await?;
        tokio::time::sleep(SETTLE).await;
        let between = schema.dump(database).await?;
        flow.exchange(conn, &code).await?;
        tokio::time::sleep(SETTLE).await;
        let after = schema.dump(database).await?;
        repetitions.push(vec![schema.change(&before, &between), schema.change(&between, &after)]);
    }
    schema.template(name, &repetitions)
}

/// Copies Signet's database, rows and indexes, for the handler that writes. Signet is stopped.
async fn copy_database(site: &Site, directory: &Path, server: Option<&postgres::Server>) -> Outcome<String> {
    if let Some(server) = server {
        server.create(COPY, Some(DATABASE)).await?;
        return Ok(server.url(COPY));
    }
    let from = site.sqlite_file();
    let wal = from.with_extension("db-wal");
    if std::fs::metadata(&wal).is_ok_and(|m| m.len() > 0) {
        return Err(format!("{}: the write-ahead log was not folded in when Signet ended", wal.display()));
    }
    let to = directory.join("copy.db");
    std::fs::copy(&from, &to).map_err(|e| format!("{}: {e}", from.display()))?;
    Ok(format!("sqlite:{}", to.display()))
}

fn start_baseline(
    directory: &Path,
    database: &str,
    templates: &[Template],
    cores: &Cores,
) -> Outcome<Server> {
    let file = directory.join("templates.json");
    let text = serde_json::to_string(templates).map_err(|e| e.to_string())?;
    std::fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))?;
    let port = free_port()?;
    let mut command = Command::new(std::env::current_exe().map_err(|e| e.to_string())?);
    command.env_clear().envs(machine::path_only()).args([
        "baseline",
        "--listen",
        &format!("127.0.0.1:{port}"),
    ]);
    command.args(["--write-to", database, "--templates"]).arg(&file);
    let log = directory.join("baseline.log");
    let (server, _) =
        cores.on_servers(|| Server::start("the bare handlers", command, port, "/ok", &log))??;
    Ok(server)
}

impl Bench<'_> {
    fn port(&self) -> u16 {
        self.signet.address().port()
    }

    fn bare_port(&self) -> u16 {
        self.baseline.address().port()
    }

    fn signet(&self, work: Work) -> Contender {
        Contender::new("signet", self.signet.address(), self.signet.pid(), work)
            .with_database(self.postmaster)
    }

    fn bare(&self, work: Work) -> Contender {
        Contender::new("bare", self.baseline.address(), self.baseline.pid(), work)
    }

    fn bare_like(&self, request: &[u8]) -> Contender {
        let request = work::bare(request, self.bare_port());
        self.bare(Work::Same { request, status: 200, holds: "ok" })
    }

    fn writer(&self, name: &str) -> Outcome<Contender> {
        let template =
            self.prepared.templates.iter().find(|t| t.name == name).ok_or("a template is missing")?;
        let work = work::writer(self.bare_port(), template);
        let contender = Contender::new("writer", self.baseline.address(), self.baseline.pid(), work);
        Ok(contender.with_database(self.postmaster))
    }

    async fn compare(&mut self, what: &str, connections: usize, contenders: &[Contender]) -> Outcome {
        if !what.contains(&self.plan.only) {
            return Ok(());
        }
        say(&format!("{}: {what}, connections: {connections}", self.kind));
        let series = compare(self.plan, connections, contenders).await?;
        self.report.operations.push(operation_row(self.kind, what, connections, &series));
        Ok(())
    }

    /// With a token that Signet knows, and with one that it never saw.
    async fn evaluation(&mut self) -> Outcome {
        let mut conn = Conn::new(self.signet.address());
        let token = work::take_token(&mut conn, self.port()).await?;
        let warm = work::evaluation(self.port(), &token, &self.prepared.user_id);
        for connections in self.plan.connections.clone() {
            let signet =
                self.signet(Work::Same { request: warm.clone(), status: 200, holds: "\"decision\":true" });
            let contenders = [signet, self.bare_like(&warm)];
            self.compare("evaluation, warm", connections, &contenders).await?;
        }
        let batch = work::evaluations(self.port(), &token, &self.prepared.user_id);
        for connections in self.plan.connections.clone() {
            let signet =
                self.signet(Work::Same { request: batch.clone(), status: 200, holds: "\"decision\":true" });
            let contenders = [signet, self.bare_like(&batch)];
            let what = format!("evaluations, warm, {} in a call", work::BATCH);
            self.compare(&what, connections, &contenders).await?;
        }
        let share = usize::try_from(self.plan.cold_tokens).unwrap_or(1) * self.plan.rounds;
        for connections in self.plan.connections.clone() {
            let rest = self.prepared.cold_tokens.split_off(share.min(self.prepared.cold_tokens.len()));
            let tokens = std::mem::replace(&mut self.prepared.cold_tokens, rest);
            let requests =
                tokens.iter().map(|t| work::evaluation(self.port(), t, &self.prepared.user_id)).collect();
            let work = Work::Once { requests, next: AtomicUsize::new(0), holds: "\"decision\":true" };
            let contenders = [self.signet(work).at_most(self.plan.cold_tokens), self.bare_like(&warm)];
            self.compare("evaluation, cold", connections, &contenders).await?;
        }
        Ok(())
    }

    async fn introspection(&mut self) -> Outcome {
        let mut conn = Conn::new(self.signet.address());
        let token = work::take_token(&mut conn, self.port()).await?;
        let request = work::introspection(self.port(), &token);
        for connections in self.plan.connections.clone() {
            let signet =
                self.signet(Work::Same { request: request.clone(), status: 200, holds: "\"active\":true" });
            let contenders = [signet, self.bare_like(&request)];
            self.compare("introspection", connections, &contenders).await?;
        }
        Ok(())
    }

    async fn client_credentials(&mut self) -> Outcome {
        let request = work::client_credentials(self.port());
        for connections in self.plan.connections.clone() {
            let signet =
                self.signet(Work::Same { request: request.clone(), status: 200, holds: "access_token" });
            let contenders = [signet, self.bare_like(&request), self.writer("client-credentials")?];
            self.compare("client credentials, EdDSA", connections, &contenders).await?;
        }
        Ok(())
    }

    async fn code_flows(&mut self) -> Outcome {
        for (algorithm, client) in WEB_CLIENTS {
            let flow = CodeFlow::new(self.port(), client, self.prepared.cookies.clone());
            for connections in self.plan.connections.clone() {
                let bare = self.bare(work::bare_code_flow(self.bare_port(), &flow));
                let writer = self.writer(&format!("code-flow-{}", algorithm.to_lowercase()))?;
                let contenders = [self.signet(Work::CodeFlow(flow.clone())), bare, writer];
                self.compare(
                    &format!("code flow with a session, ID token {algorithm}"),
                    connections,
                    &contenders,
                )
                .await?;
            }
        }
        Ok(())
    }

    /// One connection: a password costs a whole processor.
    async fn passwords(&mut self) -> Outcome {
        let users = Arc::new(Users { count: self.user_count(), next: AtomicUsize::new(0) });
        let port = self.port();
        let flow = CodeFlow::new(port, WEB_CLIENTS[0].1, String::new());
        let scenarios = [
            ("sign-in page and form", Work::SignIn { port, users: users.clone() }),
            ("whole code flow with password, ID token EdDSA", Work::WholeSignIn { flow, users }),
        ];
        for (what, work) in scenarios.into_iter().filter(|(what, _)| what.contains(&self.plan.only)) {
            say(&format!("{}: {what}", self.kind));
            let request = request("POST", "/bcrypt", self.bare_port(), &[], "");
            let contenders = [
                self.signet(work).at_most(self.plan.sign_ins),
                self.bare(Work::Same { request, status: 200, holds: "ok" }).at_most(self.plan.sign_ins),
            ];
            let plan = Plan { seconds: 600.0, ..self.plan.clone() };
            let series = compare(&plan, 1, &contenders).await?;
            self.report.passwords.push(password_row(self.kind, what, &series));
        }
        Ok(())
    }

    fn user_count(&self) -> usize {
        let sign_ins = self.plan.sign_ins * self.plan.rounds as u64 * 2 + 1;
        usize::try_from(sign_ins.div_ceil(SIGN_INS_OF_A_USER)).unwrap_or(1).max(4)
    }
}

fn operation_row(kind: Kind, what: &str, connections: usize, series: &[Series]) -> String {
    let find = |name: &str| series.iter().find(|s| s.name == name);
    let Some(signet) = find("signet") else { return String::new() };
    let cpu = |name: &str| find(name).map_or(String::new(), |s| format!("{:.0}", s.median(|t| t.cpu_micros)));
    let ratio = |name: &str| {
        find(name).map_or(String::new(), |other| {
            let spread = signet.ratio(other);
            format!("{:.2} ({:.2}–{:.2})", spread.median, spread.min, spread.max)
        })
    };
    // SQLite works inside Signet's process.
    let database = match kind {
        Kind::Sqlite => String::new(),
        Kind::Postgres => format!("{:.0}", signet.median(|t| t.database_micros)),
    };
    let rate = |name: &str| find(name).map_or(String::new(), |s| format!("{:.0}", s.median(|t| t.rate)));
    format!(
        "| {kind} | {what} | {connections} | {} | {database} | {} | {} | {} | {} | {} | {} | {} | {:.2} / {:.2} | {} |",
        cpu("signet"),
        cpu("bare"),
        cpu("writer"),
        ratio("bare"),
        ratio("writer"),
        rate("signet"),
        rate("bare"),
        rate("writer"),
        signet.median(|t| t.p50_micros) / 1e3,
        signet.median(|t| t.p99_micros) / 1e3,
        signet.turns.iter().map(|t| t.operations).sum::<u64>(),
    )
}

fn password_row(kind: Kind, what: &str, series: &[Series]) -> String {
    let [signet, bcrypt] = series else { return String::new() };
    let spread = signet.ratio(bcrypt);
    let percent = |ratio: f64| (ratio - 1.0) * 100.0;
    format!(
        "| {kind} | {what} | {:.1} | {:.1} | {:.1} % ({:.1}–{:.1}) | {:.1} | {:.1} | {} |",
        signet.median(|t| t.cpu_micros) / 1e3,
        bcrypt.median(|t| t.cpu_micros) / 1e3,
        percent(spread.median),
        percent(spread.min),
        percent(spread.max),
        signet.median(|t| t.rate),
        signet.median(|t| t.p50_micros) / 1e3,
        signet.turns.iter().map(|t| t.operations).sum::<u64>(),
    )
}
