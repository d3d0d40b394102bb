//! Times questions.

use std::hint::black_box;
use std::time::Instant;

use crate::workload::Question;

/// Questions timed together.
pub const BATCH: usize = 16;
/// How often all questions are asked; the lowest time of each batch counts, so that what interrupts one does not.
pub const ROUNDS: usize = 9;

/// Nanoseconds of one question.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// The median of batches.
    pub p50: f64,
    /// Their 99th percentile.
    pub p99: f64,
}

impl Figures {
    /// Of a list of times.
    pub fn of(mut nanos: Vec<f64>) -> Self {
        nanos.sort_by(f64::total_cmp);
        Self { p50: nanos[nanos.len() / 2], p99: nanos[nanos.len() * 99 / 100] }
    }
}

/// Asks all questions, batch by batch, several times.
pub fn time(
    questions: &[Question],
    batch: usize,
    rounds: usize,
    mut ask: impl FnMut(usize, &Question) -> bool,
) -> Figures {
    let mut lowest = vec![f64::INFINITY; questions.len() / batch];
    for _ in 0..rounds {
        for (number, questions) in questions.chunks_exact(batch).enumerate() {
            let start = Instant::now();
            for (at, question) in questions.iter().enumerate() {
                black_box(ask(number * batch + at, question));
            }
            let nanos = start.elapsed().as_nanos() as f64 / batch as f64;
            lowest[number] = lowest[number].min(nanos);
        }
    }
    Figures::of(lowest)
}

/// What one reading of the clock costs, in nanoseconds: part of what is measured of each batch.
pub fn clock_cost() -> f64 {
    let mut lowest = f64::INFINITY;
    for _ in 0..100 {
        let start = Instant::now();
        for _ in 0..100 {
            black_box(Instant::now());
        }
        lowest = lowest.min(start.elapsed().as_nanos() as f64 / 100.0);
    }
    lowest
}
