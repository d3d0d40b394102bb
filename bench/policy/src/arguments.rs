//! What the command line asks for.

use crate::workload::{SCALES, Scale};

const USAGE: &str = "usage: cargo xtask bench policy [OPTIONS]

Measures policy engines on one seeded workload, in one thread, and compares their answers with a scan's.

  --scales LETTERS   only these of a (10 applicable policies), b (100), c (1,000), d (100,000 policies in 500 tenants)
  --only TEXT        only rows whose name holds this, such as `Signet, all layers`; the bare look-ups are always there
  --json             a line of JSON for each row and note, in place of the table
  --help             this text";

/// The options.
#[derive(Debug)]
pub struct Arguments {
    scales: String,
    only: Option<String>,
    /// Whether rows are written as JSON.
    pub json: bool,
}

impl Arguments {
    /// Reads the options. Fails with the usage where it is asked for, or with what is wrong.
    pub fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut read = Self { scales: "abcd".to_owned(), only: None, json: false };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("`{word}` expects a value\n\n{USAGE}"));
            match word.as_str() {
                "--scales" => read.scales = value()?,
                "--only" => read.only = Some(value()?),
                "--json" => read.json = true,
                "--help" | "-h" => return Err(USAGE.to_owned()),
                other => return Err(format!("unknown option `{other}`\n\n{USAGE}")),
            }
        }
        match read.scales.chars().find(|letter| !SCALES.iter().any(|scale| scale.name.contains(*letter))) {
            Some(unknown) => Err(format!("expected scales of a, b, c and d, found `{unknown}`")),
            None => Ok(read),
        }
    }

    /// The scales, in their order.
    pub fn scales(&self) -> impl Iterator<Item = &'static Scale> {
        SCALES.iter().filter(|scale| self.scales.contains(scale.name))
    }

    /// Whether a row is wanted.
    pub fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }
}
