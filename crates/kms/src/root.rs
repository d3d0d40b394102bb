//! Where the root key comes from: the environment (handed in by `server`) or a file that nobody else reads.

use std::fs::{DirBuilder, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use base::{Random, Secret};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::{Error, Result};

/// The most bytes of a key file that are read.
const FILE_BYTES_MAX: u64 = 256;

/// Where to look for the root key.
#[derive(Debug)]
pub enum RootKeySource {
    /// The key itself, as `SIGNET_ROOT_KEY` gives it: 32 bytes in base64 or hex.
    Text(Secret<String>),
    /// The file that the operator named (`root_key_file`, `SIGNET_ROOT_KEY_FILE`).
    File(KeyFile),
    /// Nothing was said. SQLite then uses the default file; PostgreSQL refuses.
    Unset {
        /// The file to use on SQLite.
        default: KeyFile,
    },
}

/// A root key file and the directory that it must not be in.
#[derive(Debug, Clone)]
pub struct KeyFile {
    /// The file.
    pub path: PathBuf,
    /// The data directory, if there is one: whoever copies it must not copy the key with it.
    pub data_directory: Option<PathBuf>,
}

/// Whether a missing file may be made. Only the first start on SQLite may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Creation {
    Allowed,
    Refused,
}

/// Reads 32 bytes from base64 (either alphabet, padded or not) or hex. `origin` names the setting.
pub(crate) fn parse(origin: &str, text: &str) -> Result<Secret<[u8; 32]>> {
    let malformed = |found: String| Error::Malformed { origin: origin.to_owned(), found };
    let text = text.trim();
    let bytes = if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        text.as_bytes().chunks(2).map(hex_pair).collect::<Option<Vec<u8>>>()
    } else {
        [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].iter().find_map(|e| e.decode(text).ok())
    };
    let bytes =
        Secret::new(bytes.ok_or_else(|| malformed(format!("{} characters of another form", text.len())))?);
    let key: [u8; 32] = bytes
        .expose()
        .as_slice()
        .try_into()
        .map_err(|_| malformed(format!("{} bytes", bytes.expose().len())))?;
    let key = Secret::new(key);
    // Random keys have some 30 distinct bytes; with 16 or fewer the text was typed, not drawn.
    let mut distinct = key.expose().to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() <= 16 {
        return Err(malformed(format!("only {} distinct bytes", distinct.len())));
    }
    Ok(key)
}

fn hex_pair(pair: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()
}

/// Loads the key from its file, making it first where that is allowed.
pub(crate) fn load(file: &KeyFile, creation: Creation, random: &dyn Random) -> Result<Secret<[u8; 32]>> {
    check_place(file)?;
    if let Some(key) = read(&file.path)? {
        return Ok(key);
    }
    match creation {
        Creation::Refused => Err(Error::FileMissing { path: file.path.clone() }),
        Creation::Allowed => {
            make(&file.path, random)?;
            read(&file.path)?.ok_or_else(|| Error::FileMissing { path: file.path.clone() })
        }
    }
}

/// Refuses a key file inside the data directory, also by way of symbolic links.
pub(crate) fn check_place(file: &KeyFile) -> Result<()> {
    let Some(data) = file.data_directory.as_deref().and_then(resolve) else { return Ok(()) };
    if resolve(&file.path).is_some_and(|path| path.starts_with(&data)) {
        return Err(Error::FileRefused {
            path: file.path.clone(),
            found: format!("it is inside the data directory `{}`", data.display()),
            remedy: "name a file elsewhere, so that a copy of the data does not hold its key".to_owned(),
        });
    }
    Ok(())
}

/// The absolute path with the links of its existing part resolved.
fn resolve(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    let existing = absolute.ancestors().find_map(|a| Some((a, a.canonicalize().ok()?)));
    let (ancestor, canonical) = existing?;
    let rest = absolute.strip_prefix(ancestor).ok()?;
    Some(if rest.as_os_str().is_empty() { canonical } else { canonical.join(rest) })
}

/// The directory of the file.
fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Reads the file; none if it does not exist. Directory and file must be the caller's own and closed to
/// everybody else; the file must be a plain one, reached by no link.
fn read(path: &Path) -> Result<Option<Secret<[u8; 32]>>> {
    let failed = |source: Errno| Error::File { path: path.to_owned(), verb: "read", source: source.into() };
    let directory = match open_directory(path)? {
        Some(directory) => directory,
        None => return Ok(None),
    };
    let Some(name) = path.file_name() else { return Err(failed(Errno::ISDIR)) };
    // NONBLOCK: opening a pipe that somebody put there must not hang the start.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match rustix::fs::openat(&directory, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP | Errno::MLINK) => {
            return Err(refused(path, "it is a symbolic link".to_owned(), "name the file itself".to_owned()));
        }
        Err(error) => return Err(failed(error)),
    };
    let stat = rustix::fs::fstat(&file).map_err(failed)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(refused(path, "it is no plain file".to_owned(), "name a plain file".to_owned()));
    }
    check_owner(path, &stat)?;
    check_mode(path, &stat, 0o600)?;
    let mut text = String::new();
    let read = File::from(file).take(FILE_BYTES_MAX).read_to_string(&mut text);
    let text = Secret::new(text);
    read.map_err(|source| Error::File { path: path.to_owned(), verb: "read", source })?;
    parse(&format!("the content of `{}`", path.display()), text.expose()).map(Some)
}

/// Opens the file's directory and checks it; none if it does not exist.
pub(crate) fn open_directory(path: &Path) -> Result<Option<OwnedFd>> {
    let directory = directory_of(path);
    let failed =
        |source: Errno| Error::File { path: directory.to_owned(), verb: "read", source: source.into() };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = match rustix::fs::openat(CWD, directory, flags, Mode::empty()) {
        Ok(opened) => opened,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP | Errno::MLINK | Errno::NOTDIR) => {
            let found = "it is a symbolic link or no directory".to_owned();
            return Err(refused(directory, found, "name the directory itself".to_owned()));
        }
        Err(error) => return Err(failed(error)),
    };
    let stat = rustix::fs::fstat(&opened).map_err(failed)?;
    check_owner(directory, &stat)?;
    check_mode(directory, &stat, 0o700)?;
    Ok(Some(opened))
}

fn check_owner(path: &Path, stat: &Stat) -> Result<()> {
    let own = rustix::process::geteuid().as_raw();
    if stat.st_uid == own {
        return Ok(());
    }
    Err(refused(
        path,
        format!("it belongs to the user {}, and signet runs as {own}", stat.st_uid),
        format!("run `chown {own} {}`", path.display()),
    ))
}

fn check_mode(path: &Path, stat: &Stat, widest: u32) -> Result<()> {
    let mode = stat.st_mode & 0o7777;
    if mode & !widest == 0 {
        return Ok(());
    }
    Err(refused(
        path,
        format!("its mode is {mode:04o}, and others must not reach it"),
        format!("run `chmod {widest:04o} {}`", path.display()),
    ))
}

fn refused(path: &Path, found: String, remedy: String) -> Error {
    Error::FileRefused { path: path.to_owned(), found, remedy }
}

/// Makes the file with a fresh key. Its content is complete before its name exists: whoever starts at the
/// same time reads a whole key, and the first name wins.
fn make(path: &Path, random: &dyn Random) -> Result<()> {
    let io = |source: std::io::Error| Error::File { path: path.to_owned(), verb: "made", source };
    let failed = |source: Errno| io(source.into());
    let directory = directory_of(path);
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(io)?;
    let Some(opened) = open_directory(path)? else { return Err(failed(Errno::NOENT)) };
    let Some(name) = path.file_name() else { return Err(failed(Errno::ISDIR)) };

    let mut key = [0u8; 32];
    random.fill(&mut key);
    let key = Secret::new(key);
    let text = Secret::new(format!("{}\n", STANDARD.encode(key.expose())));
    let mut suffix = [0u8; 8];
    random.fill(&mut suffix);
    let draft = format!(".{}.{:016x}", name.to_string_lossy(), u64::from_le_bytes(suffix));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file: File =
        rustix::fs::openat(&opened, draft.as_str(), flags, Mode::RUSR | Mode::WUSR).map_err(failed)?.into();
    let written = file.write_all(text.expose().as_bytes()).and_then(|()| file.sync_all());
    let linked = match written {
        Ok(()) => match rustix::fs::linkat(&opened, draft.as_str(), &opened, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(failed(error)),
        },
        Err(error) => Err(io(error)),
    };
    rustix::fs::unlinkat(&opened, draft.as_str(), AtFlags::empty()).map_err(failed)?;
    linked?;
    rustix::fs::fsync(&opened).map_err(failed)
}

#[cfg(test)]
mod tests;
