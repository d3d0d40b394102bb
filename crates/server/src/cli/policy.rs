//! `signet policy`: reads policies and runs their tests, on files alone, without a server or a database; only
//! `explain` may also ask a server.

mod compare;
mod explain;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use policy::cases::{Outcome, Suite};
use policy::{Document, Kind, ParseError};
use serde_json::Value;

use super::{Failure, print};

/// The largest file, in bytes.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// The most files of one folder.
const FILES_MAX: usize = 10_000;
/// How deep folders nest.
const FOLDER_DEPTH_MAX: usize = 16;

/// What can be done with policies on files.
#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Reads policy documents (JSON or YAML) and names every mistake with its place.
    Check {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Reads them as policies of resources, whose statements say whom they are about.
        #[arg(long)]
        resource: bool,
    },
    /// Names what is right and probably not meant, in policies and among them. Ends with 1 if there is anything.
    Lint {
        /// Files, or folders whose `.json`, `.yaml` and `.yml` files are read: documents, policies as the API gives
        /// them, or files for `apply`.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Says what differs between two policies, statement by statement. Ends with 1 if anything does.
    Diff {
        /// The earlier one: a document, or a policy as the API gives it.
        before: PathBuf,
        /// The later one.
        after: PathBuf,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Says why a question is answered as it is: the statements that decided, and those that nearly applied with what of
    /// them failed. Asks the policies of files, or a server.
    Explain(explain::ExplainArguments),
    /// Runs the cases of test files (YAML), each of which says what a question is answered under which policies.
    Test {
        /// Files, or folders whose `.yaml` and `.yml` files are run.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Names every case, not only those that fail.
        #[arg(long)]
        verbose: bool,
    },
}

/// Runs a command.
pub(super) fn run(command: &Policy, env: &BTreeMap<String, String>) -> Result<(), Failure> {
    match command {
        Policy::Explain(arguments) => explain::explain(arguments, env),
        Policy::Check { files, resource } => {
            check(files, if *resource { Kind::Resource } else { Kind::Identity })
        }
        Policy::Lint { paths, json } => compare::lint(paths, *json),
        Policy::Diff { before, after, json } => compare::compare(before, after, *json),
        Policy::Test { paths, verbose } => test(paths, *verbose),
    }
}

fn check(files: &[PathBuf], kind: Kind) -> Result<(), Failure> {
    let mut wrong = String::new();
    for file in files {
        let text = read(file)?;
        // JSON is read as it stands, so that a key that stands twice is found.
        let read = if text.trim_start().starts_with('{') {
            Document::parse_as(kind, &text)
        } else {
            Document::from_value_as(kind, &parse(file, &text)?)
        };
        match read {
            Ok(document) => {
                let count = document.statements().len();
                print(&format!("{}: {count} statements\n", file.display()));
            }
            Err(errors) => list_mistakes(&mut wrong, file, &errors),
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failure::Failed(wrong.trim_end().to_owned())) }
}

fn test(paths: &[PathBuf], verbose: bool) -> Result<(), Failure> {
    let mut files = Vec::new();
    for path in paths {
        find_files(path, 0, &["yaml", "yml"], &mut files)?;
    }
    files.sort();
    let (mut passed, mut failed, mut wrong) = (0_usize, 0_usize, String::new());
    for file in &files {
        let suite = match Suite::from_value(&parse(file, &read(file)?)?) {
            Ok(suite) => suite,
            Err(errors) => {
                list_mistakes(&mut wrong, file, &errors);
                continue;
            }
        };
        for case in suite.cases() {
            match case.run() {
                Outcome::Passed => {
                    passed += 1;
                    if verbose {
                        print(&format!("passed  {}: {}\n", file.display(), case.name()));
                    }
                }
                Outcome::Failed(why) => {
                    failed += 1;
                    print(&format!("FAILED  {}: {}\n  {why}\n", file.display(), case.name()));
                }
            }
        }
    }
    print(&format!("{passed} passed, {failed} failed, in {} files\n", files.len()));
    if !wrong.is_empty() {
        return Err(Failure::Failed(wrong.trim_end().to_owned()));
    }
    if failed > 0 {
        return Err(Failure::Failed(format!("{failed} cases failed")));
    }
    if passed == 0 {
        return Err(Failure::Usage("there are no cases in these files".to_owned()));
    }
    Ok(())
}

/// Lists a file, or the files of a folder and of the folders in it whose names end so.
fn find_files(path: &Path, depth: usize, ends: &[&str], files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::NotFound(format!("{}: {error}", path.display()));
    if !std::fs::metadata(path).map_err(failed)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    if depth == FOLDER_DEPTH_MAX {
        return Err(Failure::Usage(format!("{}: more than {FOLDER_DEPTH_MAX} folders deep", path.display())));
    }
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        let found = entry.path();
        let is_wanted = found.extension().is_some_and(|extension| ends.iter().any(|end| extension == *end));
        if kind.is_dir() {
            find_files(&found, depth + 1, ends, files)?;
        } else if is_wanted {
            files.push(found);
        }
        if files.len() > FILES_MAX {
            return Err(Failure::Usage(format!("{}: more than {FILES_MAX} files", path.display())));
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::NotFound(format!("{}: {error}", file.display()));
    if std::fs::metadata(file).map_err(failed)?.len() > FILE_BYTES_MAX {
        return Err(Failure::Usage(format!("{}: larger than {FILE_BYTES_MAX} bytes", file.display())));
    }
    std::fs::read_to_string(file).map_err(failed)
}

fn parse(file: &Path, text: &str) -> Result<Value, Failure> {
    serde_saphyr::from_str(text).map_err(|error| Failure::Failed(format!("{}: {error}", file.display())))
}

fn list_mistakes(into: &mut String, file: &Path, errors: &[ParseError]) {
    for error in errors {
        // Writing to a text cannot fail.
        let _ = writeln!(into, "{}: {error}", file.display());
    }
}
