//! What can be wrong with the bytes of an index.

/// Why an index could not be opened or read. An index can always be rebuilt from the columns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The bytes do not begin like an index.
    #[error("{file}: this is no index of a Crowdset store")]
    NotOurs {
        /// Name of the file.
        file: String,
    },
    /// A newer build wrote it. Upgrading helps, trying again does not.
    #[error(
        "{file}: index format {found} is newer than {newest}, the newest this build reads; upgrade Crowdset"
    )]
    TooNew {
        /// Name of the file.
        file: String,
        /// The version found.
        found: u32,
        /// The newest version known.
        newest: u32,
    },
    /// There are fewer or more bytes than were written.
    #[error(
        "{file}: the index has {found} bytes where {expected} were written; rebuild it or restore it from a copy"
    )]
    Length {
        /// Name of the file.
        file: String,
        /// Bytes written, or the fewest possible.
        expected: u64,
        /// Bytes there.
        found: u64,
    },
    /// Bytes changed after they were written.
    #[error(
        "{file}: `{section}` is damaged: its checksum is {computed:#010x}, the file says {stored:#010x}; \
         rebuild the index or restore it from a copy"
    )]
    Damaged {
        /// Name of the file.
        file: String,
        /// Which part: the directory, or a term.
        section: String,
        /// The checksum that was written.
        stored: u32,
        /// The checksum of what is there.
        computed: u32,
    },
    /// The checksums are right, yet the parts contradict each other.
    #[error("{file}: the index contradicts itself: {what}; rebuild it")]
    Malformed {
        /// Name of the file.
        file: String,
        /// What contradicts what.
        what: String,
    },
    /// More terms, or longer names, than the format holds.
    #[error("the index is too large: {what}")]
    TooLarge {
        /// What there is too much of.
        what: String,
    },
}
