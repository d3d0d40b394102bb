//! Writes what was measured.

use serde_json::json;

use crate::arguments::Arguments;
use crate::timing::Figures;

/// What is written, row by row.
pub struct Report {
    json: bool,
    notes: Vec<String>,
}

/// One engine at one scale.
pub struct Row<'a> {
    pub scale: &'a str,
    pub name: &'a str,
    pub figures: Figures,
    /// What three look-ups took in the same run.
    pub floor: Figures,
    /// How many answers differed from the scan's, where they were compared.
    pub wrong: Option<usize>,
}

impl Report {
    /// Begins.
    pub fn new(arguments: &Arguments) -> Self {
        if !arguments.json {
            println!("| scale | engine | p50 µs | p99 µs | ÷ floor p50 | ÷ floor p99 | other answers |");
            println!("|---|---|---|---|---|---|---|");
        }
        Self { json: arguments.json, notes: Vec::new() }
    }

    /// Writes a row.
    pub fn row(&mut self, row: &Row<'_>) {
        let Row { scale, name, figures, floor, wrong } = row;
        let (p50, p99) = (figures.p50 / 1000.0, figures.p99 / 1000.0);
        let (times50, times99) = (figures.p50 / floor.p50, figures.p99 / floor.p99);
        if self.json {
            let line = json!({ "scale": scale, "engine": name, "p50_micros": p50, "p99_micros": p99,
                "floors_p50": times50, "floors_p99": times99, "other_answers": wrong });
            println!("{line}");
        } else {
            let wrong = wrong.map_or(String::new(), |count| count.to_string());
            println!("| {scale} | {name} | {p50:.3} | {p99:.3} | {times50:.1} | {times99:.1} | {wrong} |");
        }
    }

    /// Keeps a sentence for below the table.
    pub fn note(&mut self, text: &str) {
        if self.json {
            println!("{}", json!({ "note": text }));
        } else {
            self.notes.push(text.to_owned());
        }
    }

    /// Writes the notes.
    pub fn finish(self) {
        if !self.json {
            println!();
        }
        for note in self.notes {
            println!("- {note}");
        }
    }
}
