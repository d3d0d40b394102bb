//! `openssl speed` of the machine, for a figure that is not ours at all. It encrypts one long stream in pieces of
//! the size: no key, nonce or tag for each piece, as a value has.

use std::process::Command;

use crate::algorithm::Algorithm;

/// What `openssl version` says.
pub(crate) fn version() -> String {
    let output = Command::new("openssl").arg("version").output();
    output.map_or_else(|e| format!("none ({e})"), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
}

/// Megabytes a second; none where this openssl has no such algorithm.
pub(crate) fn rate(algorithm: Algorithm, bytes: usize, seconds: u32) -> Option<f64> {
    match algorithm {
        Algorithm::Aes256Gcm => speed(&["-evp", "aes-256-gcm"], bytes, seconds),
        Algorithm::ChaCha20Poly1305 => speed(&["-evp", "chacha20-poly1305"], bytes, seconds),
        Algorithm::Sm4Gcm => speed(&["-evp", "sm4-gcm"], bytes, seconds),
        Algorithm::Aes256CbcHmacSha256 => {
            let cipher = speed(&["-evp", "aes-256-cbc"], bytes, seconds)?;
            let mac = speed(&["-hmac", "sha256"], bytes, seconds)?;
            Some(1.0 / (1.0 / cipher + 1.0 / mac))
        }
    }
}

fn speed(what: &[&str], bytes: usize, seconds: u32) -> Option<f64> {
    let output = Command::new("openssl")
        .args(["speed", "-mr", "-seconds", &seconds.to_string(), "-bytes", &bytes.to_string()])
        .args(what)
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // `+F:22:aes-256-gcm:123456.78`, or `+H:` with sizes; the rate in bytes a second is the last field.
    let line = text.lines().find(|line| line.starts_with("+F:"))?;
    let rate: f64 = line.rsplit(':').next()?.trim().parse().ok()?;
    (rate > 0.0).then_some(rate / 1e6)
}
