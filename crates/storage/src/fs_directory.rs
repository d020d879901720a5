//! A directory of the file system.

use crate::directory::{Directory, FileBytes, FileWriter, check_name};
use crate::error::StorageError;
use crate::manifest::FileEntry;
use crate::map::FileMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// The file that one writer holds locked.
const LOCK: &str = "LOCK";

/// Bytes of a file that nobody will read soon, before they are written to the disk and forgotten.
const WRITTEN_OUT_BYTES: u64 = 32 << 20;

/// How the names of unfinished files end; they begin with a point.
const TEMPORARY: &str = ".tmp";

/// Whether a directory is opened to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Files are only read; any number of processes may.
    Read,
    /// Files may be added and removed; one process at a time, which holds the lock file `LOCK`
    /// until its [`FsDirectory`] is dropped. The folder is created if it is missing.
    Write,
}

/// A folder of the file system.
///
/// Files are written under a temporary name and renamed into place when they are complete; a thread
/// of the directory syncs them beside the work that goes on, and [`Directory::sync`] waits for it.
/// Files are mapped for reading; nothing but this type may change them while they are open.
#[derive(Debug)]
pub struct FsDirectory {
    path: PathBuf,
    /// Held for its lock, which ends with it.
    lock: Option<File>,
    /// Whether the folder was not there before; then it goes again if nothing was put into it.
    is_new: bool,
    syncer: Arc<Syncer>,
}

impl FsDirectory {
    /// Opens a folder.
    ///
    /// # Errors
    ///
    /// [`StorageError::Locked`] if another process writes to it; [`StorageError::Io`] if it cannot
    /// be opened, or is missing and to be read.
    pub fn open(path: impl Into<PathBuf>, access: Access) -> Result<Self, StorageError> {
        let path = path.into();
        let shown = path.display().to_string();
        if access == Access::Read {
            let metadata =
                fs::metadata(&path).map_err(StorageError::io("open the folder", &shown))?;
            if !metadata.is_dir() {
                let source = io::Error::from(io::ErrorKind::NotADirectory);
                return Err(StorageError::Io {
                    action: "open the folder",
                    file: shown,
                    source,
                });
            }
            return Ok(Self {
                path,
                lock: None,
                is_new: false,
                syncer: Arc::default(),
            });
        }
        let is_new = !path
            .try_exists()
            .map_err(StorageError::io("look for the folder", &shown))?;
        fs::create_dir_all(&path).map_err(StorageError::io("create the folder", &shown))?;
        let lock = take_lock(&path.join(LOCK))?;
        let directory = Self {
            path,
            lock: Some(lock),
            is_new,
            syncer: Arc::default(),
        };
        directory.remove_unfinished()?;
        Ok(directory)
    }

    /// Temporary files of a writer that was stopped; nobody else writes, we hold the lock.
    fn remove_unfinished(&self) -> Result<(), StorageError> {
        for name in self.names()? {
            if is_temporary(&name) {
                fs::remove_file(self.path.join(&name))
                    .map_err(StorageError::io("remove", &name))?;
            }
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>, StorageError> {
        let shown = self.path.display().to_string();
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(StorageError::io("list", &shown))? {
            let entry = entry.map_err(StorageError::io("list", &shown))?;
            let kind = entry
                .file_type()
                .map_err(StorageError::io("list", &shown))?;
            if kind.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn writable(&self, name: &str) -> Result<PathBuf, StorageError> {
        check_name(name)?;
        if self.lock.is_none() {
            return Err(StorageError::ReadOnly {
                file: name.to_owned(),
            });
        }
        Ok(self.path.join(name))
    }

    fn begin(&self, name: &str) -> Result<FsWriter, StorageError> {
        let target = self.writable(name)?;
        let temporary = self.path.join(format!(".{name}{TEMPORARY}"));
        let file = File::create(&temporary).map_err(StorageError::io("create", name))?;
        Ok(FsWriter {
            file: BufWriter::with_capacity(1 << 20, file),
            name: name.to_owned(),
            temporary: Some(temporary),
            target,
            crc: crc32fast::Hasher::new(),
            bytes: 0,
            written_out: None,
            syncer: Arc::clone(&self.syncer),
        })
    }
}

impl Drop for FsDirectory {
    fn drop(&mut self) {
        let is_empty = || {
            let names = self.names();
            names.is_ok_and(|names| names.iter().all(|name| name == LOCK))
        };
        if self.is_new && is_empty() {
            // A folder that stays is in nobody's way.
            let _ = fs::remove_file(self.path.join(LOCK));
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// Opens the lock file, which is made where there is none, and locks it.
fn take_lock(path: &Path) -> Result<File, StorageError> {
    let shown = path.display().to_string();
    loop {
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(StorageError::io("open the lock file", &shown))?;
        match lock.try_lock() {
            // Between the two, a writer may have removed it together with its folder.
            Ok(()) if is_file_at(&lock, path) => return Ok(lock),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StorageError::Locked { path: shown }),
            Err(TryLockError::Error(source)) => {
                return Err(StorageError::Io {
                    action: "lock",
                    file: shown,
                    source,
                });
            }
        }
    }
}

/// Whether an open file is still the one of that name.
#[cfg(unix)]
fn is_file_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// Names of open files stay here.
#[cfg(not(unix))]
fn is_file_at(_file: &File, _path: &Path) -> bool {
    true
}

fn is_temporary(name: &str) -> bool {
    name.strip_prefix('.')
        .is_some_and(|rest| rest.strip_suffix(TEMPORARY).is_some())
}

impl Directory for FsDirectory {
    fn create(&self, name: &str) -> Result<Box<dyn FileWriter>, StorageError> {
        if self.exists(name)? {
            return Err(StorageError::Exists {
                file: name.to_owned(),
            });
        }
        Ok(Box::new(self.begin(name)?))
    }

    fn sync(&self) -> Result<(), StorageError> {
        if self.syncer.wait()? {
            let shown = self.path.display().to_string();
            sync_folder(&self.path).map_err(StorageError::io("sync the folder", &shown))?;
        }
        Ok(())
    }

    fn open(&self, name: &str) -> Result<FileBytes, StorageError> {
        check_name(name)?;
        let file = File::open(self.path.join(name)).map_err(StorageError::io("open", name))?;
        if file
            .metadata()
            .map_err(StorageError::io("open", name))?
            .len()
            == 0
        {
            // An empty file cannot be mapped.
            return Ok(FileBytes::from_bytes(bytes::Bytes::new()));
        }
        Ok(FileBytes::from_map(
            FileMap::of_store_file(&file).map_err(StorageError::io("map", name))?,
        ))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        let mut writer = self.begin(name)?;
        writer
            .write_all(bytes)
            .map_err(StorageError::io("write", name))?;
        let file = writer.flush_file()?;
        file.sync_all().map_err(StorageError::io("sync", name))?;
        writer.rename()?;
        sync_folder(&self.path).map_err(StorageError::io("sync the folder of", name))
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        check_name(name)?;
        match fs::read(self.path.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StorageError::io("read", name)(error)),
        }
    }

    fn exists(&self, name: &str) -> Result<bool, StorageError> {
        check_name(name)?;
        self.path
            .join(name)
            .try_exists()
            .map_err(StorageError::io("look for", name))
    }

    fn remove(&self, name: &str) -> Result<(), StorageError> {
        let path = self.writable(name)?;
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StorageError::io("remove", name)(error))
            }
            _ => Ok(()),
        }
    }

    fn list(&self) -> Result<Vec<String>, StorageError> {
        let mut names = self.names()?;
        names.retain(|name| name != LOCK && check_name(name).is_ok());
        names.sort_unstable();
        Ok(names)
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }
}

/// Syncs files on a thread of its own, which lives from the first file to the next wait.
#[derive(Debug, Default)]
struct Syncer(Mutex<Option<Syncing>>);

#[derive(Debug)]
struct Syncing {
    files: Sender<ToSync>,
    thread: JoinHandle<Result<(), StorageError>>,
}

/// A file of which all that was written is to be durable.
struct ToSync {
    name: String,
    file: File,
    /// Whether nobody will read it soon.
    forget: bool,
}

impl ToSync {
    fn sync(self) -> Result<(), StorageError> {
        let Self { name, file, forget } = self;
        file.sync_all().map_err(StorageError::io("sync", &name))?;
        if forget {
            forget_pages(&file);
        }
        Ok(())
    }
}

impl Syncer {
    fn add(&self, file: ToSync) -> Result<(), StorageError> {
        let mut syncing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let syncing = match &mut *syncing {
            Some(syncing) => syncing,
            none => {
                let (files, to_sync) = channel::<ToSync>();
                let thread = thread::Builder::new()
                    .name("crowdset-sync".to_owned())
                    // After the first failure nothing that is synced counts any more.
                    .spawn(move || to_sync.into_iter().try_for_each(ToSync::sync))
                    .map_err(StorageError::io("start to sync", &file.name))?;
                none.insert(Syncing { files, thread })
            }
        };
        // The thread takes files as long as there is a sender.
        let _ = syncing.files.send(file);
        Ok(())
    }

    /// Waits for all files; returns whether there were any.
    fn wait(&self) -> Result<bool, StorageError> {
        let syncing = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Syncing { files, thread }) = syncing else {
            return Ok(false);
        };
        drop(files);
        match thread.join() {
            Ok(outcome) => outcome.map(|()| true),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

struct FsWriter {
    file: BufWriter<File>,
    name: String,
    /// `None` once renamed.
    temporary: Option<PathBuf>,
    target: PathBuf,
    crc: crc32fast::Hasher,
    bytes: u64,
    /// How many bytes were handed over to be written to the disk and forgotten, if the file is one
    /// that nobody will read soon.
    written_out: Option<u64>,
    syncer: Arc<Syncer>,
}

impl FsWriter {
    /// The file with all that was written.
    fn flush_file(&mut self) -> Result<&File, StorageError> {
        self.file
            .flush()
            .map_err(StorageError::io("write", &self.name))?;
        Ok(self.file.get_ref())
    }

    /// Has what was written so far synced, beside whatever comes next.
    fn sync_soon(&mut self) -> Result<(), StorageError> {
        let file = self.flush_file()?.try_clone();
        self.syncer.add(ToSync {
            name: self.name.clone(),
            file: file.map_err(StorageError::io("sync", &self.name))?,
            forget: self.written_out.is_some(),
        })
    }

    fn rename(&mut self) -> Result<(), StorageError> {
        if let Some(temporary) = &self.temporary {
            fs::rename(temporary, &self.target)
                .map_err(StorageError::io("rename into place", &self.name))?;
            self.temporary = None;
        }
        Ok(())
    }
}

impl Write for FsWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.crc.update(&bytes[..count]);
        self.bytes += count as u64;
        if let Some(bytes) = self.written_out
            && self.bytes - bytes >= WRITTEN_OUT_BYTES
        {
            self.written_out = Some(self.bytes);
            self.sync_soon().map_err(io::Error::other)?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl FileWriter for FsWriter {
    fn expect_no_reads(&mut self) {
        self.written_out = Some(self.bytes);
    }

    fn finish(mut self: Box<Self>) -> Result<FileEntry, StorageError> {
        self.flush_file()?;
        self.rename()?;
        self.sync_soon()?;
        Ok(FileEntry {
            name: self.name.clone(),
            bytes: self.bytes,
            crc32: self.crc.clone().finalize(),
        })
    }
}

impl Drop for FsWriter {
    fn drop(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            // Left behind only if this fails too; the next writer removes it.
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Lets the system's copy of a synced file go. It is only a hint: where it fails the copy stays.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn forget_pages(file: &File) {
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
}

/// There is no such hint here.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn forget_pages(_file: &File) {}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Folders cannot be synced here; renames are journalled.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_writer_and_any_number_of_readers() {
        let folder = tempfile::tempdir().unwrap();
        let writer = FsDirectory::open(folder.path(), Access::Write).unwrap();
        let error = FsDirectory::open(folder.path(), Access::Write).unwrap_err();
        assert!(
            matches!(&error, StorageError::Locked { path } if path.ends_with("LOCK")),
            "{error}"
        );
        let reader = FsDirectory::open(folder.path(), Access::Read).unwrap();
        assert!(matches!(
            reader.create("a"),
            Err(StorageError::ReadOnly { .. })
        ));
        drop(writer);
        FsDirectory::open(folder.path(), Access::Write).unwrap();
        assert!(FsDirectory::open(folder.path().join("missing"), Access::Read).is_err());
    }

    #[test]
    fn a_new_folder_goes_again_if_nothing_was_put_into_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let directory = FsDirectory::open(&path, Access::Write).unwrap();
        drop(directory.create("a.columns").unwrap());
        drop(directory);
        assert!(!path.exists());
        let directory = FsDirectory::open(&path, Access::Write).unwrap();
        directory.replace("MANIFEST", b"1").unwrap();
        drop(directory);
        assert!(path.join("MANIFEST").exists());
        // A folder of somebody else stays.
        let empty = tempfile::tempdir().unwrap();
        drop(FsDirectory::open(empty.path(), Access::Write).unwrap());
        assert!(empty.path().exists());
    }

    #[test]
    fn files_appear_when_finished_and_vanish_when_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let directory = FsDirectory::open(folder.path(), Access::Write).unwrap();
        let mut file = directory.create("a.columns").unwrap();
        file.write_all(b"abc").unwrap();
        assert!(!directory.exists("a.columns").unwrap());
        let entry = file.finish().unwrap();
        assert_eq!((entry.name.as_str(), entry.bytes), ("a.columns", 3));
        assert_eq!(entry.crc32, crc32fast::hash(b"abc"));
        directory.sync().unwrap();
        directory.sync().unwrap();
        assert_eq!(&*directory.open("a.columns").unwrap(), b"abc");
        assert!(matches!(
            directory.create("a.columns"),
            Err(StorageError::Exists { .. })
        ));
        drop(directory.create("b.columns").unwrap());
        assert_eq!(directory.list().unwrap(), ["a.columns"]);
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            2,
            "the file and the lock"
        );

        let open = directory.open("a.columns").unwrap();
        directory.remove("a.columns").unwrap();
        directory.remove("a.columns").unwrap();
        assert_eq!(&*open, b"abc", "an open file outlives its name");
        assert!(directory.open("a.columns").is_err());

        directory.replace("MANIFEST", b"1").unwrap();
        directory.replace("MANIFEST", b"2").unwrap();
        assert_eq!(
            directory.read("MANIFEST").unwrap().as_deref(),
            Some(&b"2"[..])
        );
        for name in ["../a", "", ".hidden", "a/b", "a\\b"] {
            assert!(
                matches!(directory.open(name), Err(StorageError::BadName { .. })),
                "{name}"
            );
        }
    }

    #[test]
    fn a_new_writer_removes_what_a_stopped_one_left() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".p000001.columns.tmp"), b"half").unwrap();
        FsDirectory::open(folder.path(), Access::Write).unwrap();
        assert!(!folder.path().join(".p000001.columns.tmp").exists());
    }
}
