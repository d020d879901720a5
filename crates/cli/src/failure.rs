//! How a command can end other than well, and what that means for the exit status.

use std::error::Error;
use std::fmt;
use std::io;

/// Why a command stopped.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was typed cannot be meant: exit status 2.
    Usage(String),
    /// A definition is wrong; the text is drawn already, line and caret included: exit status 2.
    Segment(String),
    /// What was asked did not work: exit status 1.
    Failed(String),
    /// What failed is told on standard output already: exit status 1.
    Told,
    /// Nobody reads standard output any more, which is no error.
    ReaderGone,
}

impl Failure {
    /// A failure that tells an error with all its causes in one line.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        if is_broken_pipe(error) {
            Self::ReaderGone
        } else {
            Self::Failed(chain(error))
        }
    }

    /// A failure of an operation on a file.
    pub(crate) fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::InvalidData {
            // The standard library's words for it name neither the cause nor the cure.
            Self::Failed(format!("{what}: it is no text in UTF-8; save it as such"))
        } else {
            Self::Failed(format!("{what}: {error}"))
        }
    }

    /// The exit status.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Segment(_) => 2,
            Self::Failed(_) | Self::Told => 1,
            Self::ReaderGone => 0,
        }
    }

    /// What to say on standard error; `None` if there is nothing left to say.
    pub(crate) fn message(&self) -> Option<String> {
        match self {
            Self::Usage(text) => Some(format!(
                "error: {text}\n\nFor more information, try `crowdset --help`."
            )),
            Self::Segment(text) => Some(format!("error: {}", text.trim_end())),
            Self::Failed(text) => Some(format!("error: {text}")),
            Self::Told | Self::ReaderGone => None,
        }
    }
}

/// Whether the cause of all is that nobody reads any more.
fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    let of_io = error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
    of_io || error.source().is_some_and(is_broken_pipe)
}

/// An error and what caused it, without saying a thing twice (many errors print their cause).
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// Failures of writing to standard output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::ReaderGone;
        }
        Self::io("cannot write the result", &error)
    }
}

impl From<crowdset::Error> for Failure {
    fn from(error: crowdset::Error) -> Self {
        match error {
            crowdset::Error::Segment(wrong) => Self::Segment(wrong.to_string()),
            other => Self::of(&other),
        }
    }
}

impl From<crowdset::SegmentError> for Failure {
    fn from(error: crowdset::SegmentError) -> Self {
        Self::Segment(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.status(), failure.message()), (0, None));
        let failure = Failure::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(failure.status(), 1);
    }
}
