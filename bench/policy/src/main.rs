//! Measures policy engines on one workload, in one thread: `cargo xtask bench policy`, see `docs/benchmarks.md`.
#![expect(clippy::panic, clippy::indexing_slicing, reason = "a development tool, outside the product")]

mod naive;
mod ours;
mod workload;

use std::hint::black_box;
use std::time::Instant;

use hashbrown::HashMap;
use policy::Stored;
use workload::{Question, SCALES, Scale, Workload};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Questions timed together.
const BATCH: usize = 16;
/// How often all questions are asked.
const ROUNDS: usize = 7;

struct Figures {
    p50: f64,
    p99: f64,
}

/// Times batches and gives the nanoseconds of one question at the median and at the 99th percentile of batches.
fn time(questions: &[Question], mut ask: impl FnMut(usize, &Question) -> bool) -> Figures {
    for (at, question) in questions.iter().enumerate() {
        black_box(ask(at, question));
    }
    let mut batches = Vec::with_capacity(questions.len() / BATCH * ROUNDS);
    for _ in 0..ROUNDS {
        for (number, batch) in questions.chunks_exact(BATCH).enumerate() {
            let start = Instant::now();
            for (at, question) in batch.iter().enumerate() {
                black_box(ask(number * BATCH + at, question));
            }
            batches.push(start.elapsed().as_nanos() as f64 / BATCH as f64);
        }
    }
    batches.sort_by(f64::total_cmp);
    Figures { p50: batches[batches.len() / 2], p99: batches[batches.len() * 99 / 100] }
}

fn row(scale: &Scale, name: &str, figures: &Figures, floor: &Figures, wrong: usize) {
    println!(
        "| {} | {name} | {:.3} | {:.3} | {:.1} | {:.1} | {wrong} |",
        scale.name,
        figures.p50 / 1000.0,
        figures.p99 / 1000.0,
        figures.p50 / floor.p50,
        figures.p99 / floor.p99
    );
}

fn measure(scale: &Scale) {
    let workload = Workload::new(scale);
    let documents = ours::parse(&workload);
    let before = resident();
    let start = Instant::now();
    let ours = ours::Ours::new(&workload, &documents);
    let compiled = start.elapsed();
    let naive = naive::Naive::new(&workload, &documents);
    let names: Vec<(&str, &str, Vec<(Box<str>, Stored)>)> = workload
        .questions
        .iter()
        .map(|question| {
            let tenant = &workload.tenants[question.tenant];
            let team = ("team".into(), Stored::One(question.team.as_str().into()));
            (tenant.id.as_str(), tenant.principals[question.principal].id.as_str(), vec![team])
        })
        .collect();
    let floor = Floor::new(&workload);
    let expected: Vec<bool> = workload.questions.iter().map(|question| naive.judge(question)).collect();
    let wrong = |ask: &dyn Fn(usize, &Question) -> bool| {
        let questions = workload.questions.iter().enumerate();
        questions.filter(|(at, question)| ask(*at, question) != expected[*at]).count()
    };
    let judge = |at: usize, question: &Question| {
        let (tenant, principal, tags) = &names[at];
        ours.judge(tenant, principal, question, tags)
    };
    let explain = |at: usize, question: &Question| {
        let (tenant, principal, tags) = &names[at];
        ours.explain(tenant, principal, question, tags) > 0
    };
    let floor_figures = time(&workload.questions, |at, question| floor.ask(names[at].0, names[at].1, question));
    row(scale, "three look-ups", &floor_figures, &floor_figures, 0);
    let ours_wrong = wrong(&judge);
    row(scale, "Signet", &time(&workload.questions, judge), &floor_figures, ours_wrong);
    row(scale, "Signet, with reasons", &time(&workload.questions, explain), &floor_figures, 0);
    row(scale, "naive scan", &time(&workload.questions[..2_000], |_, q| naive.judge(q)), &floor_figures, 0);
    let policies: usize = workload.tenants.iter().map(|tenant| tenant.policies.len()).sum();
    eprintln!(
        "{}: {policies} policies, {} ms to compile and merge, {} KiB of tables, {} KiB resident more; {} of {} allowed",
        scale.name,
        compiled.as_millis(),
        ours.bytes() / 1024,
        resident().saturating_sub(before) / 1024,
        expected.iter().filter(|allowed| **allowed).count(),
        expected.len(),
    );
}

/// Three hash look-ups and compares: the least that any engine must do to know whom and what it is asked about.
struct Floor {
    principals: HashMap<String, HashMap<String, u32>>,
    actions: HashMap<String, u32>,
    resources: HashMap<String, u32>,
}

impl Floor {
    fn new(workload: &Workload) -> Self {
        let mut floor = Self { principals: HashMap::new(), actions: HashMap::new(), resources: HashMap::new() };
        for tenant in &workload.tenants {
            let here = tenant.principals.iter().enumerate().map(|(at, one)| (one.id.clone(), at as u32));
            floor.principals.insert(tenant.id.clone(), here.collect());
        }
        for (at, question) in workload.questions.iter().enumerate() {
            floor.actions.insert(question.action.clone(), at as u32);
            floor.resources.insert(question.resource.clone(), at as u32);
        }
        floor
    }

    fn ask(&self, _tenant: &str, principal: &str, question: &Question) -> bool {
        let principal = self.principals[_tenant].get(principal).copied().unwrap_or(0);
        let action = self.actions.get(&question.action).copied().unwrap_or(0);
        let resource = self.resources.get(&question.resource).copied().unwrap_or(0);
        principal ^ action < resource
    }
}

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

fn main() {
    println!("| scale | engine | p50 µs | p99 µs | ÷ floor p50 | ÷ floor p99 | other answers |");
    println!("|---|---|---|---|---|---|---|");
    for scale in &SCALES {
        measure(scale);
    }
}
