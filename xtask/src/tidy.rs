//! Checks of the structure that no compiler makes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::Outcome;

/// Licences that a dependency may have. `deny.toml` says the same to `cargo deny`, where it is installed.
const LICENCES: &[&str] = &[
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "Unlicense",
    "0BSD",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "OpenSSL",
    "MPL-2.0",
];
/// Crates that must not be built: second cryptographic libraries and second sets of macros.
const BANNED: &[&str] = &["ring", "openssl", "openssl-sys", "native-tls", "sqlx-macros", "sqlx-mysql"];

/// Runs every check and reports all that is wrong.
pub(crate) fn check(root: &Path) -> Outcome {
    let mut wrong = Vec::new();
    let metadata = metadata(root)?;
    crate_graph(root, &metadata, &mut wrong)?;
    licences(&metadata, &mut wrong);
    banned(root, &mut wrong)?;
    for file in rust_files(&root.join("crates"))? {
        let text = std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        source(&file, &text, &mut wrong);
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!("tidy found {} things:\n{}", wrong.len(), wrong.join("\n")))
}

fn metadata(root: &Path) -> Outcome<Value> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version=1", "--locked"])
        .current_dir(root)
        .output()
        .map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())
}

/// `docs/architecture.md` lists each crate and what it may touch, in lines of the form
/// "| `name` | … | `a`, `b` |" of the table under "## Crates": the graph must be exactly that.
fn crate_graph(root: &Path, metadata: &Value, wrong: &mut Vec<String>) -> Outcome {
    let path = root.join("docs/architecture.md");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let documented: BTreeMap<String, BTreeSet<String>> = text
        .lines()
        .skip_while(|line| *line != "## Crates")
        .take_while(|line| !line.starts_with("## ") || *line == "## Crates")
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            Some((cells.first()?.trim_matches('`').to_owned(), names(cells.last()?)))
        })
        .collect();
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ours: BTreeSet<&str> =
        packages.iter().filter(|p| p["source"].is_null()).filter_map(|p| p["name"].as_str()).collect();
    for package in packages.iter().filter(|p| p["source"].is_null()) {
        let name = package["name"].as_str().unwrap_or_default();
        let found: BTreeSet<String> = package["dependencies"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
            .iter()
            .filter(|d| d["kind"].is_null())
            .filter_map(|d| d["name"].as_str())
            .filter(|d| ours.contains(d))
            .map(str::to_owned)
            .collect();
        match documented.get(name) {
            None => wrong.push(format!("docs/architecture.md does not list the crate `{name}`")),
            Some(listed) if *listed != found => wrong.push(format!(
                "docs/architecture.md lets `{name}` use {listed:?}; Cargo.toml says {found:?}"
            )),
            Some(_) => {}
        }
    }
    for name in documented.keys().filter(|n| !ours.contains(n.as_str())) {
        wrong.push(format!("docs/architecture.md lists `{name}`, which is no crate"));
    }
    Ok(())
}

fn names(cell: &str) -> BTreeSet<String> {
    cell.split(',')
        .map(|name| name.trim().trim_matches('`').to_owned())
        .filter(|name| !name.is_empty() && name != "nothing of ours")
        .collect()
}

fn licences(metadata: &Value, wrong: &mut Vec<String>) {
    for package in metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let name = package["name"].as_str().unwrap_or_default();
        let licence = package["license"].as_str().unwrap_or_default().replace('/', " OR ");
        let allowed = |one: &str| LICENCES.contains(&one.trim().trim_matches(['(', ')']));
        let good = licence.split(" OR ").any(|choice| choice.split(" AND ").all(allowed))
            || licence.split(" AND ").all(|part| part.split(" OR ").any(allowed));
        if !good {
            wrong.push(format!(
                "the licence of `{name}` is `{licence}`, which is not on the list in xtask/src/tidy.rs"
            ));
        }
    }
}

/// What is built, not what the lock file mentions.
fn banned(root: &Path, wrong: &mut Vec<String>) -> Outcome {
    let output = Command::new("cargo")
        .args(["tree", "--workspace", "--edges=normal,build", "--prefix=none", "--format={p}", "--locked"])
        .current_dir(root)
        .output()
        .map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let built: BTreeSet<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    for name in BANNED.iter().filter(|name| built.contains(**name)) {
        wrong.push(format!("`{name}` is built; see deny.toml for why it must not be"));
    }
    Ok(())
}

fn rust_files(directory: &Path) -> Outcome<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut pending = vec![directory.to_path_buf()];
    while let Some(next) = pending.pop() {
        for entry in std::fs::read_dir(&next).map_err(|e| format!("{}: {e}", next.display()))? {
            let path = entry.map_err(|e| e.to_string())?.path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn source(file: &Path, text: &str, wrong: &mut Vec<String>) {
    let shown = file.display();
    let is_test = file.components().any(|c| c.as_os_str() == "tests")
        || file.ends_with("tests.rs")
        || file.ends_with("testing.rs");
    if is_test {
        return;
    }
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    let in_store_crate = file.components().any(|c| c.as_os_str() == "store") || file.ends_with("store.rs");
    for (number, line) in code.lines().enumerate() {
        let place = format!("{shown}:{}", number + 1);
        let trimmed = line.trim_start();
        if trimmed.starts_with("//") {
            continue;
        }
        let sql =
            ["\"SELECT ", "\"INSERT INTO ", "\"UPDATE ", "\"DELETE FROM "].iter().any(|s| line.contains(s));
        if sql && !in_store_crate {
            wrong.push(format!("{place}: SQL outside a store file"));
        }
        if line.contains("allow(") && trimmed.starts_with("#") && !line.contains("expect(") {
            wrong.push(format!("{place}: `allow` instead of `expect` with a reason"));
        }
        if line.contains("todo!(") || line.contains("unimplemented!(") {
            wrong.push(format!("{place}: unfinished code"));
        }
    }
    let ours = ["web", "server"].iter().any(|name| file.components().any(|c| c.as_os_str() == *name));
    // `axum::http` is only the types of requests and answers; everything else of axum is for endpoints.
    let in_http =
        file.components().any(|c| ["http", "pages", "endpoints"].iter().any(|d| c.as_os_str() == *d))
            || file.ends_with("http.rs")
            || file.ends_with("pages.rs");
    if !ours
        && !in_http
        && code.lines().any(|l| l.starts_with("use axum") && !l.starts_with("use axum::http::"))
    {
        wrong.push(format!("{shown}: axum outside an http file"));
    }
}
