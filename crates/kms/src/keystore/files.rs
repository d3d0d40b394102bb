//! Tenant keys as files of one directory that nobody else reaches.

use std::fs::{DirBuilder, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::TENANT_KEY_BYTES;
use crate::root::{check_place, open_directory};
use crate::{Error, KeyFile, Result};

/// A directory for tenant keys, and the one that it must not be in.
#[derive(Debug, Clone)]
pub struct KeyDirectory {
    /// The directory; made with mode 0700 when the first key is.
    pub path: PathBuf,
    /// The data directory, if there is one: whoever copies it must not copy the keys with it.
    pub data_directory: Option<PathBuf>,
}

/// The directory, once it is known where it is.
#[derive(Clone)]
pub(crate) struct Files(Arc<PathBuf>);

impl Files {
    /// Fails with [`Error::FileRefused`] for a directory inside the data directory, of somebody else or open to
    /// others.
    pub(crate) fn open(directory: KeyDirectory) -> Result<Self> {
        // Where a key would be is as good as where it is.
        let inside = KeyFile { path: file(&directory.path, ""), data_directory: directory.data_directory };
        check_place(&inside)?;
        open_directory(&inside.path)?;
        Ok(Self(Arc::new(directory.path)))
    }

    pub(super) async fn get(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.run(name, |path| read(&path)).await
    }

    pub(super) async fn put_unless_there(&self, name: &str, wrapped: &[u8]) -> Result<bool> {
        let wrapped = wrapped.to_vec();
        self.run(name, move |path| make(&path, &wrapped)).await
    }

    pub(super) async fn destroy(&self, name: &str) -> Result<bool> {
        self.run(name, |path| remove(&path)).await
    }

    /// Off the async threads: a disk may take its time.
    async fn run<T: Send + 'static>(
        &self,
        name: &str,
        what: impl FnOnce(PathBuf) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let path = file(&self.0, name);
        tokio::task::spawn_blocking(move || what(path))
            .await
            .map_err(|error| Error::Bug(base::bug!("a key file: {error}")))?
    }
}

/// INVARIANT: ids have no `/`, and with the suffix none is `.` or `..`.
fn file(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.key"))
}

fn failed(path: &Path, verb: &'static str, source: impl Into<std::io::Error>) -> Error {
    Error::File { path: path.to_owned(), verb, source: source.into() }
}

fn opened(path: &Path) -> Result<Option<(OwnedFd, &std::ffi::OsStr)>> {
    let Some(name) = path.file_name() else { return Err(failed(path, "read", Errno::ISDIR)) };
    Ok(open_directory(path)?.map(|directory| (directory, name)))
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let Some((directory, name)) = opened(path)? else { return Ok(None) };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file: File = match rustix::fs::openat(&directory, name, flags, Mode::empty()) {
        Ok(file) => file.into(),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(failed(path, "read", error)),
    };
    let mut wrapped = Vec::with_capacity(TENANT_KEY_BYTES);
    // One byte more than there may be: a longer file is none of ours, and does not unwrap.
    let limit = u64::try_from(TENANT_KEY_BYTES + 1).unwrap_or(u64::MAX);
    file.take(limit).read_to_end(&mut wrapped).map_err(|error| failed(path, "read", error))?;
    Ok(Some(wrapped))
}

/// Makes the file whole before its name exists; the first name wins. True if it was this one.
fn make(path: &Path, wrapped: &[u8]) -> Result<bool> {
    let failed_io = |error: std::io::Error| failed(path, "made", error);
    let failed = |error: Errno| failed(path, "made", error);
    let directory = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed_io)?;
    let Some((directory, name)) = opened(path)? else { return Err(failed(Errno::NOENT)) };
    let mut suffix = [0u8; 8];
    aws_lc_rs::rand::fill(&mut suffix).map_err(|_| Error::KeyGeneration)?;
    let draft = format!(".{:016x}.draft", u64::from_le_bytes(suffix));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file: File = rustix::fs::openat(&directory, draft.as_str(), flags, Mode::RUSR | Mode::WUSR)
        .map_err(failed)?
        .into();
    let written = file.write_all(wrapped).and_then(|()| file.sync_all());
    let linked = match written {
        Ok(()) => match rustix::fs::linkat(&directory, draft.as_str(), &directory, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(failed(error)),
        },
        Err(error) => Err(failed_io(error)),
    };
    rustix::fs::unlinkat(&directory, draft.as_str(), AtFlags::empty()).map_err(failed)?;
    let linked = linked?;
    rustix::fs::fsync(&directory).map_err(failed)?;
    Ok(linked)
}

/// Removes the file. True if there was one.
fn remove(path: &Path) -> Result<bool> {
    let failed = |error: Errno| failed(path, "removed", error);
    let Some((directory, name)) = opened(path)? else { return Ok(false) };
    let removed = match rustix::fs::unlinkat(&directory, name, AtFlags::empty()) {
        Ok(()) => true,
        Err(Errno::NOENT) => false,
        Err(error) => return Err(failed(error)),
    };
    rustix::fs::fsync(&directory).map_err(failed)?;
    Ok(removed)
}
