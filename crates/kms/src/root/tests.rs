//! Files that are safe, and files that are not.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicU64, Ordering};

use base::SeededRandom;

use super::*;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A directory that goes away with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!("signet-kms-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> KeyFile {
        KeyFile { path: self.0.join(name), data_directory: None }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn good() -> String {
    STANDARD.encode((0u8..32).collect::<Vec<_>>())
}

#[test]
fn a_key_is_32_bytes_in_base64_or_hex() {
    let expected: Vec<u8> = (0u8..32).collect();
    let hex: String = expected.iter().map(|b| format!("{b:02X}")).collect();
    let forms =
        [good(), good().trim_end_matches('=').to_owned(), format!("  {}\n", good()), hex.to_lowercase(), hex];

    for form in forms {
        assert_eq!(parse("it", &form).unwrap().expose().as_slice(), expected, "{form}");
    }
}

#[test]
fn what_is_no_random_key_is_refused_without_showing_it() {
    let typed = STANDARD.encode(b"passwordpasswordpasswordpassword");
    for text in ["", "secret!", "AAAA", &"00".repeat(32), &"A".repeat(44), &"ab".repeat(33), &typed] {
        let message = parse("`SIGNET_ROOT_KEY`", text).unwrap_err().to_string();

        assert!(message.contains("SIGNET_ROOT_KEY") && message.contains("openssl rand"), "{message}");
        assert!(text.len() < 5 || !message.contains(text), "{message}");
    }
}

#[test]
fn the_first_start_makes_a_file_of_mode_0600_in_a_directory_of_mode_0700() {
    let scratch = Scratch::new();
    let file = scratch.file("new/deep/root.key");

    let made = load(&file, Creation::Allowed, &SeededRandom::new(1)).unwrap();
    let again = load(&file, Creation::Refused, &SeededRandom::new(2)).unwrap();

    assert_eq!(made.expose(), again.expose());
    assert_eq!(mode(&file.path), 0o600);
    assert_eq!(mode(&scratch.0.join("new/deep")), 0o700);
    assert_eq!(mode(&scratch.0.join("new")), 0o700);
    assert_eq!(fs::read_dir(scratch.0.join("new/deep")).unwrap().count(), 1, "the draft is gone");
}

#[test]
fn a_second_maker_reads_the_key_of_the_first() {
    let scratch = Scratch::new();
    let file = scratch.file("root.key");

    make(&file.path, &SeededRandom::new(1)).unwrap();
    let first = fs::read_to_string(&file.path).unwrap();
    make(&file.path, &SeededRandom::new(2)).unwrap();

    assert_eq!(fs::read_to_string(&file.path).unwrap(), first);
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1);
}

#[test]
fn a_missing_file_is_not_made_where_data_exists() {
    let scratch = Scratch::new();
    let file = scratch.file("root.key");

    let error = load(&file, Creation::Refused, &SeededRandom::new(1)).unwrap_err();

    assert!(matches!(error, Error::FileMissing { .. }), "{error}");
    assert!(!file.path.exists());
}

#[test]
fn wider_modes_are_refused_and_the_message_names_path_mode_and_remedy() {
    let scratch = Scratch::new();
    let file = scratch.file("root.key");
    fs::write(&file.path, good()).unwrap();

    for wide in [0o640, 0o604, 0o620, 0o601, 0o700, 0o4600, 0o644] {
        set_mode(&file.path, wide);
        let message = load(&file, Creation::Allowed, &SeededRandom::new(1)).unwrap_err().to_string();
        let path = file.path.display().to_string();
        assert!(message.contains(&format!("{wide:04o}")), "{message}");
        assert!(message.contains(&format!("chmod 0600 {path}")), "{message}");
    }

    set_mode(&file.path, 0o400);
    load(&file, Creation::Refused, &SeededRandom::new(1)).unwrap();
    for wide in [0o750, 0o701, 0o777] {
        set_mode(&scratch.0, wide);
        let message = load(&file, Creation::Allowed, &SeededRandom::new(1)).unwrap_err().to_string();
        assert!(message.contains(&format!("{wide:04o}")) && message.contains("chmod 0700"), "{message}");
    }
    set_mode(&scratch.0, 0o700);
}

#[test]
fn links_pipes_and_directories_are_refused() {
    let scratch = Scratch::new();
    let real = scratch.file("real.key");
    fs::write(&real.path, good()).unwrap();
    set_mode(&real.path, 0o600);
    symlink(&real.path, scratch.0.join("link.key")).unwrap();
    symlink(scratch.0.join("nowhere"), scratch.0.join("dangling.key")).unwrap();
    fs::create_dir(scratch.0.join("directory.key")).unwrap();
    symlink(&scratch.0, scratch.0.join("linked")).unwrap();
    rustix::fs::mknodat(CWD, scratch.0.join("pipe.key"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();

    for name in ["link.key", "dangling.key", "directory.key", "pipe.key", "linked/real.key"] {
        let error = load(&scratch.file(name), Creation::Allowed, &SeededRandom::new(1)).unwrap_err();
        assert!(matches!(error, Error::FileRefused { .. }), "{name}: {error}");
    }
    assert!(!scratch.0.join("nowhere").exists());
    load(&real, Creation::Refused, &SeededRandom::new(1)).unwrap();
}

#[test]
fn a_key_inside_the_data_directory_is_refused_also_through_a_link() {
    let scratch = Scratch::new();
    let data = scratch.0.join("data");
    fs::create_dir(&data).unwrap();
    symlink(&data, scratch.0.join("alias")).unwrap();

    for path in ["data/root.key", "data/keys/root.key", "alias/root.key"] {
        let file = KeyFile { path: scratch.0.join(path), data_directory: Some(data.clone()) };
        let error = load(&file, Creation::Allowed, &SeededRandom::new(1)).unwrap_err();
        assert!(error.to_string().contains("inside the data directory"), "{path}: {error}");
    }
    assert_eq!(fs::read_dir(&data).unwrap().count(), 0);
    let beside = KeyFile { path: scratch.0.join("data-keys/root.key"), data_directory: Some(data) };
    load(&beside, Creation::Allowed, &SeededRandom::new(1)).unwrap();
}
