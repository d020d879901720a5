//! Saved segments and static lists of a store: reading them, and changing them as the one writer.

use crate::catalog::StateCatalog;
use crate::engine::{Access, Engine};
use crate::error::{SaveError, chain};
use crate::load::{Created, random_seed};
use crate::snapshot::Snapshot;
use crate::verify::Findings;
use crate::{AsOf, Diagnostic, Segment, SegmentError};
use crowdset_query::{Catalog, PlanOptions, References, check_saved};
use crowdset_storage::{
    Directory, FileBytes, FileEntry, FrameKind, Library as Record, LibraryFiles, ListRecord,
    Manifest, SegmentRecord, SegmentVersionRecord, StorageError, decode, write_list,
};
use crowdset_types::TimestampMillis;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

/// The most characters a name may have.
const NAME_CHARS_MAX: usize = 200;

/// One version of a saved segment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SavedSegment {
    /// The name that `segment('name')` refers to.
    pub name: String,
    /// Counts from 1; every save of the name makes the next.
    pub version: u64,
    /// When it was saved.
    pub saved_at: TimestampMillis,
    /// The definition as it was written, or its canonical text if it was not written as text.
    pub text: String,
    /// Whether it is what the name refers to: the last version of a segment that was not dropped.
    pub is_in_force: bool,
}

/// A static list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SavedList {
    /// The name that `list('name')` refers to.
    pub name: String,
    /// Counts from 1; every save of the name makes the next. Only the ids of the last are kept.
    pub version: u64,
    /// When it was saved.
    pub saved_at: TimestampMillis,
    /// How many different ids it holds, known to the store or not.
    pub ids: u64,
}

/// What is saved in one state.
#[derive(Debug, Default)]
pub(crate) struct Library {
    record: Record,
    /// Those in force.
    segments: BTreeMap<String, Definition>,
    lists: BTreeMap<String, List>,
}

/// The definition that a name stands for, read when it is first asked for.
#[derive(Debug)]
struct Definition {
    text: String,
    segment: OnceLock<Result<Arc<Segment>, SegmentError>>,
}

/// The ids of a list, read when they are first asked for.
#[derive(Debug)]
struct List {
    file: String,
    bytes: FileBytes,
    ids: OnceLock<Result<Arc<[String]>, String>>,
}

impl Library {
    /// Reads the library that a manifest names; an empty one if it names none.
    pub(crate) fn open(
        directory: &dyn Directory,
        files: Option<&LibraryFiles>,
    ) -> Result<Self, StorageError> {
        match files {
            None => Ok(Self::default()),
            Some(files) => Self::of(directory, Record::read(directory, &files.library)?),
        }
    }

    fn of(directory: &dyn Directory, record: Record) -> Result<Self, StorageError> {
        let mut lists = BTreeMap::new();
        for list in &record.lists {
            if let Some(file) = &list.file {
                // Open from now on, so that a later save does not take it away.
                let list_of_file = List {
                    file: file.name.clone(),
                    bytes: directory.open(&file.name)?,
                    ids: OnceLock::new(),
                };
                lists.insert(list.name.clone(), list_of_file);
            }
        }
        let definitions = record.segments.iter().filter_map(|segment| {
            let version = segment.versions.last()?;
            let definition = Definition {
                text: version.text.clone(),
                segment: OnceLock::new(),
            };
            segment
                .dropped_at
                .is_none()
                .then(|| (segment.name.clone(), definition))
        });
        Ok(Self {
            segments: definitions.collect(),
            lists,
            record,
        })
    }

    pub(crate) fn segment(&self, name: &str) -> Option<Result<Arc<Segment>, SegmentError>> {
        let definition = self.segments.get(name)?;
        let read = || definition.text.parse().map(Arc::new);
        Some(definition.segment.get_or_init(read).clone())
    }

    pub(crate) fn segment_names(&self) -> Vec<String> {
        self.segments.keys().cloned().collect()
    }

    pub(crate) fn list(&self, name: &str) -> Option<Result<Arc<[String]>, String>> {
        let list = self.lists.get(name)?;
        let read = || match decode::<Vec<String>>(FrameKind::List, &list.bytes) {
            Ok(ids) => Ok(ids.into()),
            Err(error) => Err(format!("{}: {}", list.file, chain(&error))),
        };
        Some(list.ids.get_or_init(read).clone())
    }

    pub(crate) fn list_names(&self) -> Vec<String> {
        self.lists.keys().cloned().collect()
    }

    /// Reads everything that is saved.
    pub(crate) fn verify(&self, findings: &mut Findings) {
        for name in self.segments.keys() {
            if let Some(Err(error)) = self.segment(name) {
                findings.fault("library", format!("segment `{name}`: {error}"));
            }
        }
        for (name, list) in &self.lists {
            if let Some(Err(error)) = self.list(name) {
                findings.fault(&list.file, format!("list `{name}`: {error}"));
            }
        }
    }

    /// The segments in force that name this segment or list themselves.
    fn users_of(&self, names: impl Fn(&References) -> bool) -> Vec<String> {
        let all = self.segments.keys();
        all.filter(|name| {
            self.segment(name)
                .is_some_and(|segment| segment.is_ok_and(|segment| names(&segment.references())))
        })
        .cloned()
        .collect()
    }
}

fn version_of(segment: &SegmentRecord, index: usize) -> Option<SavedSegment> {
    let version = segment.versions.get(index)?;
    Some(SavedSegment {
        name: segment.name.clone(),
        version: index as u64 + 1,
        saved_at: version.saved_at,
        text: version.text.clone(),
        is_in_force: segment.dropped_at.is_none() && index + 1 == segment.versions.len(),
    })
}

/// What is saved.
impl Snapshot {
    /// The saved segments in force, ascending by name.
    ///
    /// # Examples
    ///
    /// ```
    /// use crowdset::{AsOf, Engine};
    ///
    /// let engine = Engine::in_memory();
    /// engine.save_segment("buyers", &"did(purchase)".parse()?)?;
    /// engine.save_segment("buyers", &"did(purchase, last 90 days)".parse()?)?;
    /// engine.save_list("friends", ["ada", "bob"])?;
    ///
    /// let snapshot = engine.snapshot();
    /// let saved = &snapshot.segments()[0];
    /// assert_eq!((saved.version, saved.text.as_str()), (2, "did(purchase, last 90 days)"));
    /// assert_eq!(snapshot.segment_versions("buyers")[0].text, "did(purchase)");
    /// let segment = "segment('buyers') and not list('friends')".parse()?;
    /// assert!(snapshot.evaluate(&segment, AsOf::now())?.is_empty());
    /// # Ok::<(), crowdset::Error>(())
    /// ```
    pub fn segments(&self) -> Vec<SavedSegment> {
        let records = &self.state.library.record.segments;
        records
            .iter()
            .filter_map(|segment| version_of(segment, segment.versions.len().checked_sub(1)?))
            .filter(|version| version.is_in_force)
            .collect()
    }

    /// All versions of a saved segment, oldest first, also of one that was dropped; empty if nothing
    /// was ever saved under the name.
    pub fn segment_versions(&self, name: &str) -> Vec<SavedSegment> {
        let records = &self.state.library.record.segments;
        let found = records.iter().find(|segment| segment.name == name);
        found.map_or_else(Vec::new, |segment| {
            (0..segment.versions.len())
                .filter_map(|index| version_of(segment, index))
                .collect()
        })
    }

    /// The static lists, ascending by name.
    pub fn lists(&self) -> Vec<SavedList> {
        let records = self.state.library.record.lists.iter();
        records
            .filter(|list| list.file.is_some())
            .map(|list| SavedList {
                name: list.name.clone(),
                version: list.version,
                saved_at: list.saved_at,
                ids: list.ids,
            })
            .collect()
    }

    /// The ids of a static list, ascending by bytes, known to the store or not.
    ///
    /// # Errors
    ///
    /// [`SaveError::NotSaved`] if there is no such list, [`SaveError::Unreadable`] if its file is
    /// damaged.
    pub fn list_ids(&self, name: &str) -> Result<Arc<[String]>, SaveError> {
        match self.state.library.list(name) {
            Some(Ok(ids)) => Ok(ids),
            Some(Err(reason)) => Err(SaveError::Unreadable {
                name: name.to_owned(),
                reason,
            }),
            None => Err(SaveError::not_saved(
                "list",
                name,
                &self.state.library.list_names(),
            )),
        }
    }
}

/// Saving.
impl Engine {
    /// Saves a segment under a name, as version 1 or, if the name is taken, as its next version.
    /// Definitions that name it mean the new version from then on.
    ///
    /// Returns what was saved, and what the definition says that is legal and yet probably not meant,
    /// such as names that the data does not hold.
    ///
    /// # Errors
    ///
    /// [`SaveError`] if the definition names something that is not saved or becomes part of itself,
    /// does not fit the data, or the store cannot be written. Nothing is saved then.
    pub fn save_segment(
        &self,
        name: &str,
        segment: &Segment,
    ) -> Result<(SavedSegment, Vec<Diagnostic>), SaveError> {
        let saved = self.save_segments(&[(name, segment)])?;
        saved.into_iter().next().ok_or(SaveError::Nothing)
    }

    /// Saves several segments at once: all of them or, on any error, none. They may name each other
    /// in any order.
    ///
    /// # Errors
    ///
    /// As [`Engine::save_segment`].
    pub fn save_segments(
        &self,
        segments: &[(&str, &Segment)],
    ) -> Result<Vec<(SavedSegment, Vec<Diagnostic>)>, SaveError> {
        let now = TimestampMillis::now();
        self.change_library(|change| {
            let mut saved = Vec::with_capacity(segments.len());
            for &(name, segment) in segments {
                check_name(name)?;
                let source = segment.source_text();
                let text = if source.is_empty() || source.trim_start().starts_with('{') {
                    segment.to_string()
                } else {
                    source.to_owned()
                };
                let records = &mut change.record.segments;
                let at = match records.binary_search_by(|other| other.name.as_str().cmp(name)) {
                    Ok(at) => at,
                    Err(at) => {
                        let record = SegmentRecord {
                            name: name.to_owned(),
                            versions: Vec::new(),
                            dropped_at: None,
                        };
                        records.insert(at, record);
                        at
                    }
                };
                let record = &mut records[at];
                record.dropped_at = None;
                record.versions.push(SegmentVersionRecord {
                    text,
                    saved_at: now,
                });
                saved.extend(version_of(record, record.versions.len() - 1));
            }
            // With all of them in place, as they may name each other.
            let catalog = change.catalog()?;
            let checked = saved
                .into_iter()
                .zip(segments)
                .map(|(saved, (name, segment))| {
                    let options = PlanOptions::default();
                    let as_of = AsOf::at(now).instant();
                    let warnings = check_saved(name, segment, &catalog, as_of, &options)?;
                    Ok((saved, warnings))
                });
            checked.collect()
        })
    }

    /// Drops a saved segment. Its versions stay readable, and saving the name again makes the next.
    ///
    /// # Errors
    ///
    /// [`SaveError::NotSaved`] if there is no such segment, [`SaveError::InUse`] if other saved
    /// segments name it.
    pub fn drop_segment(&self, name: &str) -> Result<(), SaveError> {
        let now = TimestampMillis::now();
        self.change_library(|change| {
            let library = change.library()?;
            if !library.segments.contains_key(name) {
                let names = library.segment_names();
                return Err(SaveError::not_saved("saved segment", name, &names));
            }
            let by = library.users_of(|references| references.segments.contains(name));
            check_unused("segment", name, by)?;
            for record in &mut change.record.segments {
                if record.name == name {
                    record.dropped_at = Some(now);
                }
            }
            Ok(())
        })
    }

    /// Saves a static list of user ids under a name, in place of what the name held before. Integer
    /// ids are given as their text. Ids that the store does not know yet take effect once the user
    /// arrives; an id that stands twice counts once.
    ///
    /// # Errors
    ///
    /// [`SaveError`] if the store cannot be written; it is as it was then.
    pub fn save_list<T: Into<String>>(
        &self,
        name: &str,
        ids: impl IntoIterator<Item = T>,
    ) -> Result<SavedList, SaveError> {
        let ids: BTreeSet<String> = ids.into_iter().map(Into::into).collect();
        let ids: Vec<String> = ids.into_iter().collect();
        let now = TimestampMillis::now();
        self.change_library(|change| {
            check_name(name)?;
            let file = change.write_list(&ids)?;
            let mut record = ListRecord {
                name: name.to_owned(),
                version: 1,
                saved_at: now,
                ids: ids.len() as u64,
                file: Some(file),
            };
            let records = &mut change.record.lists;
            match records.binary_search_by(|other| other.name.as_str().cmp(name)) {
                Ok(at) => {
                    record.version = records[at].version + 1;
                    records[at] = record.clone();
                }
                Err(at) => records.insert(at, record.clone()),
            }
            Ok(SavedList {
                name: record.name,
                version: record.version,
                saved_at: record.saved_at,
                ids: record.ids,
            })
        })
    }

    /// Drops a static list; saving the name again makes its next version.
    ///
    /// # Errors
    ///
    /// [`SaveError::NotSaved`] if there is no such list, [`SaveError::InUse`] if saved segments name
    /// it.
    pub fn drop_list(&self, name: &str) -> Result<(), SaveError> {
        self.change_library(|change| {
            let library = change.library()?;
            if !library.lists.contains_key(name) {
                let names = library.list_names();
                return Err(SaveError::not_saved("list", name, &names));
            }
            let by = library.users_of(|references| references.lists.contains(name));
            check_unused("list", name, by)?;
            for record in &mut change.record.lists {
                if record.name == name {
                    record.file = None;
                    record.ids = 0;
                }
            }
            Ok(())
        })
    }

    /// Makes a change of what is saved: on disk and visible as a whole, or not at all.
    fn change_library<T>(
        &self,
        make: impl FnOnce(&mut Change<'_>) -> Result<T, SaveError>,
    ) -> Result<T, SaveError> {
        if self.access == Access::Read {
            return Err(SaveError::ReadOnly);
        }
        self.as_writer(|directory, before| {
            let stored = Manifest::read(directory)?;
            let manifest = stored.unwrap_or_else(|| Manifest::new(random_seed()));
            // What a killed writer left behind has the names that this one is about to use.
            manifest.remove_dead_files(directory)?;
            let record = match &manifest.library {
                Some(files) => Record::read(directory, &files.library)?,
                None => Record::default(),
            };
            let mut change = Change {
                directory,
                created: Created::new(directory),
                manifest,
                record,
                catalog: before.data_catalog(),
            };
            let made = make(&mut change)?;
            change.commit()?;
            Ok(made)
        })
    }
}

/// A change of what is saved, on its way.
struct Change<'a> {
    directory: &'a dyn Directory,
    created: Created<'a>,
    manifest: Manifest,
    record: Record,
    /// The names of the data, with what was saved before.
    catalog: &'a StateCatalog,
}

impl Change<'_> {
    /// What is saved, changes included.
    fn library(&self) -> Result<Library, SaveError> {
        Ok(Library::of(self.directory, self.record.clone())?)
    }

    /// What a planner may know once the change is made.
    fn catalog(&self) -> Result<impl Catalog, SaveError> {
        Ok(self.catalog.with_library(Arc::new(self.library()?)))
    }

    fn write_list(&mut self, ids: &[String]) -> Result<FileEntry, SaveError> {
        let name = format!("list-{:06}.frame", self.manifest.take_library_number());
        self.created.note(&name);
        Ok(write_list(self.directory, &name, ids)?)
    }

    fn commit(mut self) -> Result<(), SaveError> {
        let name = format!("library-{:06}.frame", self.manifest.take_library_number());
        self.created.note(&name);
        let library = self.record.write(self.directory, &name)?;
        let lists = self.record.lists.iter();
        self.manifest.library = Some(LibraryFiles {
            library,
            lists: lists.filter_map(|list| list.file.clone()).collect(),
        });
        self.manifest.commit(self.directory)?;
        self.created.keep();
        if let Err(error) = self.manifest.remove_dead_files(self.directory) {
            tracing::warn!(%error, "files that are no longer needed could not be removed");
        }
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), SaveError> {
    let is_good = !name.trim().is_empty()
        && name.chars().count() <= NAME_CHARS_MAX
        && !name.chars().any(char::is_control);
    if is_good {
        Ok(())
    } else {
        Err(SaveError::BadName {
            name: name.chars().take(60).collect(),
        })
    }
}

fn check_unused(what: &'static str, name: &str, by: Vec<String>) -> Result<(), SaveError> {
    if by.is_empty() {
        return Ok(());
    }
    Err(SaveError::InUse {
        what,
        name: name.to_owned(),
        by,
    })
}
