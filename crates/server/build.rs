//! Stamps the binary with the commit and the time it was built from.

use std::process::Command;

#[expect(clippy::disallowed_methods, reason = "a build script reads its environment")]
fn main() {
    println!("cargo:rerun-if-changed=../../.git/HEAD");
    println!("cargo:rerun-if-changed=../../.git/refs/heads");
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo:rerun-if-env-changed=SIGNET_COMMIT");
    let commit =
        std::env::var("SIGNET_COMMIT").ok().or_else(|| output("git", &["rev-parse", "--short=12", "HEAD"]));
    let when = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(epoch) => output("date", &["-u", "-d", &format!("@{epoch}"), "+%Y-%m-%dT%H:%M:%SZ"]),
        Err(_) => output("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]),
    };
    println!("cargo:rustc-env=SIGNET_BUILD_COMMIT={}", commit.unwrap_or_else(|| "unknown".to_owned()));
    println!("cargo:rustc-env=SIGNET_BUILD_TIME={}", when.unwrap_or_else(|| "unknown".to_owned()));
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
