//! What is meant: instants parsed, files read, stores opened, segments understood.

use crate::args::Common;
use crate::failure::Failure;
use crate::progress::Bar;
use crowdset::SegmentError;
use crowdset::{AsOf, Diagnostic, Engine, EngineOptions, EvalOptions, LocatedDiagnostic, Segment};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Stdout, Write};
use std::path::Path;
use std::sync::Arc;

/// What holds for the whole command.
pub(crate) struct Meaning {
    /// The instant of every evaluation.
    pub(crate) as_of: AsOf,
    /// Whether somebody asked for that instant; otherwise it is now.
    pub(crate) is_as_of_given: bool,
    /// One JSON object instead of text.
    pub(crate) json: bool,
    /// Unknown names are errors.
    pub(crate) strict: bool,
    /// How many threads; `None`: all cores.
    pub(crate) threads: Option<usize>,
    /// Where results go.
    pub(crate) out: BufWriter<Stdout>,
}

impl Meaning {
    /// Reads the flags that every command has.
    pub(crate) fn of(common: &Common) -> Result<Self, Failure> {
        let as_of = match &common.as_of {
            Some(text) => text
                .parse()
                .map_err(|error| Failure::Usage(format!("--as-of: {error}")))?,
            None => AsOf::now(),
        };
        Ok(Self {
            as_of,
            is_as_of_given: common.as_of.is_some(),
            json: common.json,
            strict: common.strict,
            threads: common.threads.map(usize::from),
            out: BufWriter::with_capacity(1 << 16, io::stdout()),
        })
    }

    /// How engines are opened.
    pub(crate) fn engine_options(&self) -> EngineOptions {
        match self.threads {
            Some(threads) => Engine::options().threads(threads),
            None => Engine::options(),
        }
    }

    /// Opens a store for reading, or loads a folder of tables into memory.
    pub(crate) fn open(&self, path: &Path) -> Result<Engine, Failure> {
        let bar = Arc::new(Bar::new("rows"));
        let shown = Arc::clone(&bar);
        let opened = self
            .engine_options()
            .open_store_or_tables(path, move |progress| shown.show_load(progress));
        bar.finish();
        Ok(opened.map_err(crowdset::Error::from)?)
    }

    /// How segments are to be answered.
    pub(crate) fn options(&self) -> EvalOptions {
        EvalOptions {
            strict: self.strict,
            ..EvalOptions::default()
        }
    }
}

/// Reads a segment as it was typed: text, JSON, or `@FILE` with either (`@-`: standard input).
pub(crate) fn segment(typed: &str) -> Result<Segment, Failure> {
    Ok(segment_text(typed)?.parse::<Segment>()?)
}

/// Reads a segment that stands in JSON: its text, or its tree.
pub(crate) fn written(json: &RawValue) -> Result<Segment, SegmentError> {
    // Read as text, a tree is held to the same rules as one that is typed.
    match serde_json::from_str::<Value>(json.get()) {
        Ok(Value::String(text)) => text.parse(),
        Ok(Value::Object(_)) | Err(_) => json.get().parse(),
        Ok(other) => Segment::from_json(&other),
    }
}

/// The text of a segment: what was typed, or what is in the file it names.
pub(crate) fn segment_text(typed: &str) -> Result<Cow<'_, str>, Failure> {
    match typed.strip_prefix('@') {
        None => Ok(typed.into()),
        Some(file) => match io::read_to_string(input(Path::new(file))?) {
            Ok(text) => Ok(text.into()),
            Err(error) => Err(Failure::io(
                format_args!("cannot read the segment file `{file}`"),
                &error,
            )),
        },
    }
}

/// Shows warnings on standard error.
pub(crate) fn warn(segment: &Segment, warnings: &[Diagnostic]) {
    let mut err = io::stderr().lock();
    for warning in warnings {
        // A closed standard error must not stop a result.
        let _ = writeln!(err, "warning: {}", warning.render(segment.source_text()));
    }
}

/// Says on standard error what was done differently from what may be thought.
pub(crate) fn remark(remark: fmt::Arguments<'_>) {
    // A closed standard error must not stop a result.
    let _ = writeln!(io::stderr().lock(), "note: {remark}");
}

/// Warnings for JSON output, with their places.
pub(crate) fn located<'a>(
    segment: &'a Segment,
    warnings: &'a [Diagnostic],
) -> Vec<LocatedDiagnostic<'a>> {
    warnings
        .iter()
        .map(|warning| warning.located(segment.source_text()))
        .collect()
}

/// Opens a text to read: a file, or standard input for `-`. A byte order mark is no part of it.
pub(crate) fn input(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    const MARK: &[u8] = "\u{feff}".as_bytes();
    let open = || -> io::Result<Box<dyn BufRead>> {
        let mut text: Box<dyn BufRead> = if path.as_os_str() == "-" {
            Box::new(io::stdin().lock())
        } else {
            Box::new(BufReader::new(fs::File::open(path)?))
        };
        if text.fill_buf()?.starts_with(MARK) {
            text.consume(MARK.len());
        }
        Ok(text)
    };
    open().map_err(|error| Failure::io(format_args!("cannot read `{}`", path.display()), &error))
}

/// Whether standard error is a terminal, where progress and remarks are welcome.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}
