//! Measures encryption in one thread, beside the bare primitive of the same library and `openssl speed`:
//! `cargo xtask bench kms`, see `docs/benchmarks.md`.
#![allow(dead_code, unreachable_pub, reason = "the product uses more of its files than is measured")]

// The files of the product that encrypt, without the slice around them, so that this is built in minutes. They find
// what they use of their crate's root in this one: each other, `Error`, `Result` and the derivation of keys.
#[path = "../../../crates/kms/src"]
mod product {
    pub mod algorithm;
    pub mod cipher;
    pub mod envelope;
}
mod kdf;
mod openssl;
mod ours;
mod raw;
mod timing;

use kdf::{Error, Result, expand, extract, join};
use ours::Ours;
use product::algorithm::{self, Algorithm};
use product::{cipher, envelope};
use raw::Raw;
use timing::{Figure, Plan, turns};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Plaintexts in bytes: a field, a document, a file.
const SIZES: [usize; 3] = [16, 1024, 65_536];
const USAGE: &str = "usage: cargo xtask bench kms [--quick]\n\
                     --quick: a smoke run; its figures say nothing";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => false,
        ["--quick"] => true,
        _ => {
            eprintln!("{USAGE}");
            std::process::exit(2);
        }
    };
    let plan = if quick { Plan::SMOKE } else { Plan::FULL };
    println!("`cargo xtask bench kms {}`\n", arguments.join(" "));
    for fact in facts() {
        println!("- {fact}");
    }
    println!("- {} rounds of {:.2} s a turn, by the thread's processor time", plan.rounds, plan.seconds);
    println!("- a nonce of 12 random bytes takes {:.0} ns", nonce(&plan));
    if quick {
        println!("- **a smoke run: its figures say nothing**");
    }
    println!(
        "\n| algorithm | bytes | | Signet ns | primitive ns | more ns | rate of the primitive (min–max) | Signet MB/s | primitive MB/s | openssl MB/s |\n\
         |---|---|---|---|---|---|---|---|---|---|"
    );
    for algorithm in Algorithm::ALL {
        for bytes in SIZES {
            measure(&plan, algorithm, bytes);
        }
    }
    println!("\nload average at the end: {}", load_average());
}

fn measure(plan: &Plan, algorithm: Algorithm, bytes: usize) {
    let mut ours = Ours::new(algorithm, bytes);
    let mut raw = Raw::new(algorithm, bytes);
    let openssl = openssl::rate(algorithm, bytes, plan.openssl_seconds);
    let openssl = openssl.map_or_else(|| "none".to_owned(), |rate| format!("{rate:.0}"));
    let sealed = turns(plan, || ours.seal(), || raw.seal());
    row(algorithm, bytes, "encrypt", &sealed, &openssl);
    let opened = turns(plan, || ours.open(), || raw.open());
    row(algorithm, bytes, "decrypt", &opened, "");
}

fn row(algorithm: Algorithm, bytes: usize, what: &str, figure: &Figure, openssl: &str) {
    let rate = |nanos: f64| bytes as f64 * 1000.0 / nanos;
    println!(
        "| {algorithm} | {bytes} | {what} | {:.0} | {:.0} | {:.0} | {:.0} % ({:.0}–{:.0}) | {:.0} | {:.0} | {openssl} |",
        figure.ours,
        figure.raw,
        figure.ours - figure.raw,
        figure.share.median,
        figure.share.min,
        figure.share.max,
        rate(figure.ours),
        rate(figure.raw),
    );
}

fn nonce(plan: &Plan) -> f64 {
    let mut nonce = [0u8; 12];
    timing::turn(plan, &mut || {
        aws_lc_rs::rand::fill(&mut nonce).unwrap();
        std::hint::black_box(&nonce);
    })
}

fn facts() -> Vec<String> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    vec![
        format!("processor: {}", model.unwrap_or("unknown")),
        format!("load average at the start: {}", load_average()),
        format!("openssl: {}", openssl::version()),
    ]
}

fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
