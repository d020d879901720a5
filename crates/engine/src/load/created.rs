//! Files of a change that is not yet committed.

use crowdset_storage::Directory;

/// Files that count only once the manifest names them; removed if it never does.
pub(crate) struct Created<'a> {
    directory: &'a dyn Directory,
    names: Vec<String>,
}

impl<'a> Created<'a> {
    pub(crate) fn new(directory: &'a dyn Directory) -> Self {
        Self {
            directory,
            names: Vec::new(),
        }
    }

    /// A file is about to be written.
    pub(crate) fn note(&mut self, name: &str) {
        self.names.push(name.to_owned());
    }

    /// The manifest names the files now.
    pub(crate) fn keep(mut self) {
        self.names.clear();
    }
}

impl Drop for Created<'_> {
    fn drop(&mut self) {
        if self.names.is_empty() {
            return;
        }
        // Nothing may be left of them that a later load would wait for.
        if let Err(error) = self.directory.sync() {
            tracing::warn!(%error, "files of a failed load could not be synced");
        }
        for name in &self.names {
            if let Err(error) = self.directory.remove(name) {
                tracing::warn!(%error, name, "a file of a failed load could not be removed");
            }
        }
    }
}
