//! Measures policy engines on one workload, in one thread: `cargo xtask bench policy`, see `docs/benchmarks.md`.
#![expect(clippy::panic, clippy::indexing_slicing, reason = "a development tool, outside the product")]

mod arguments;
mod floor;
mod hostile;
mod layers;
mod memory;
mod naive;
mod ours;
mod report;
mod timing;
mod workload;

use std::time::Instant;

use arguments::Arguments;
use floor::Floor;
use ours::Asked;
use report::{Report, Row};
use timing::{BATCH, Figures, ROUNDS, time};
use workload::{Question, Scale, Workload};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

fn main() {
    let arguments = match Arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(text) => {
            eprintln!("{text}");
            std::process::exit(i32::from(!text.starts_with("usage")) * 2);
        }
    };
    let mut report = Report::new(&arguments);
    report.note(&format!(
        "one reading of the clock costs {:.0} ns, shared by {BATCH} questions",
        timing::clock_cost()
    ));
    report.note(&format!("load average at the start: {}", load_average()));
    for scale in arguments.scales() {
        measure(&arguments, scale, &mut report);
    }
    if arguments.wants("adversarial documents") {
        hostile::measure(&mut report);
    }
    report.note(&format!("load average at the end: {}", load_average()));
    report.finish();
}

fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn measure(arguments: &Arguments, scale: &Scale, report: &mut Report) {
    let workload = Workload::new(scale);
    let texts: usize = workload.tenants.iter().map(|tenant| tenant.policies.len()).sum();
    let (start, before) = (Instant::now(), memory::live());
    let documents = ours::parse(&workload);
    let (parsed, parsed_bytes) = (start.elapsed(), memory::live() - before);
    let (start, before) = (Instant::now(), memory::live());
    let ours = ours::Ours::new(&workload, &documents);
    let (loaded, loaded_bytes) = (start.elapsed(), memory::live() - before);
    let per_policy = |nanos: u128| nanos as f64 / texts as f64 / 1000.0;
    report.note(&format!(
        "({}) {texts} policies: parsed in {:.2} µs and {} bytes each; compiled and merged for {} sets of roles in {:.2} µs \
         and {} bytes each, in all {} ms and {:.1} MiB; the tables alone {:.1} MiB",
        scale.name,
        per_policy(parsed.as_nanos()),
        parsed_bytes / texts,
        ours.identities(),
        per_policy(loaded.as_nanos()),
        loaded_bytes / texts,
        loaded.as_millis(),
        loaded_bytes as f64 / 1_048_576.0,
        ours.bytes() as f64 / 1_048_576.0,
    ));
    let naive = naive::Naive::new(&workload, &documents);
    let asked: Vec<Asked> =
        workload.questions.iter().map(|question| Asked::new(&workload, question)).collect();
    let floor = Floor::new(&workload);
    let expected: Vec<bool> = workload.questions.iter().map(|question| naive.judge(question)).collect();
    let bare = time(&workload.questions, BATCH, ROUNDS, |at, question| floor.ask(&asked[at], question));
    let row = |report: &mut Report, name: &str, figures: Figures, wrong: Option<usize>| {
        report.row(&Row { scale: scale.name, name, figures, floor: bare, wrong });
    };
    row(report, "three look-ups", bare, None);
    let wrong = |ask: &mut dyn FnMut(usize, &Question) -> bool| {
        let questions = workload.questions.iter().enumerate();
        Some(questions.filter(|(at, question)| ask(*at, question) != expected[*at]).count())
    };
    if arguments.wants("Signet") {
        let mut judge = |at: usize, question: &Question| ours.judge(&asked[at], question);
        let others = wrong(&mut judge);
        let before = memory::allocations();
        let figures = time(&workload.questions, BATCH, ROUNDS, &mut judge);
        // The list of times itself is allocated twice.
        assert!(memory::allocations() - before <= 2, "a decision allocates");
        row(report, "Signet", figures, others);
    }
    if arguments.wants("Signet, with reasons") {
        let mut explain = |at: usize, question: &Question| ours.explain(&asked[at], question);
        let others = wrong(&mut explain);
        row(report, "Signet, with reasons", time(&workload.questions, BATCH, ROUNDS, explain), others);
    }
    if scale.name == "c" && arguments.wants("Signet, all layers") {
        let layered = layers::Layered::new(&workload);
        let questions = layered.questions(&workload);
        let figures =
            time(questions, BATCH, ROUNDS, |at, question| layered.judge(&ours, &asked[at], question));
        let others = questions.iter().enumerate().filter(|(at, question)| {
            layered.judge(&ours, &asked[*at], question) != layered.expected(question, expected[*at])
        });
        row(report, "Signet, all layers", figures, Some(others.count()));
    }
    if scale.name == "d" && arguments.wants("Signet, one policy changed") {
        row(report, "Signet, one policy changed", ours.change(&workload, &asked), None);
    }
    if arguments.wants("naive scan") {
        let questions = &workload.questions[..workload.questions.len().min(2_000)];
        row(report, "naive scan", time(questions, BATCH, 3, |_, question| naive.judge(question)), None);
    }
}
