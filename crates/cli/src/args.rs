//! What was typed: flags and words, nothing looked up yet.
//!
//! Every help text stands beside its flag, so that `--help` is the one place to change.

#![allow(
    clippy::doc_markdown,
    reason = "these comments are help texts, printed as they stand"
)]

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "crowdset",
    version,
    about = "Exact audiences from users, events and user properties.",
    long_about = "Exact audiences from users, events and user properties.\n\n\
        STORE is a directory. If it holds a store, that is opened. If it holds none but holds users.parquet, \
        events.parquet or events/, user_properties.parquet (or .csv, .ndjson), these are loaded into memory for this one command.\n\n\
        SEGMENT is a definition as text, as JSON (it starts with `{`), or `@FILE` with either in it; `@-` reads standard input.\n\n\
        Results go to standard output; progress, warnings and reports go to standard error. \
        Exit status: 0 done, 1 failed, 2 wrong usage or a wrong segment.",
    after_help = "Examples:\n  \
        crowdset demo\n  \
        crowdset load store --users users.parquet --events events/ --user-properties user_properties.parquet\n  \
        crowdset count store \"account_type = 'free' and count(report_generated, last 30 days) > 5\"\n  \
        crowdset members store @trial.segment --format csv -o members.csv",
    arg_required_else_help = true,
    disable_help_subcommand = true,
    propagate_version = true
)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl CommandLine {
    /// The words of a command line, ready to be parsed. A segment may begin with `--`, a comment that
    /// ends with its line. Where many segments stand, a space before it keeps it from being taken for
    /// a flag; allowing hyphens there would take the flags behind it for segments.
    pub(crate) fn words(typed: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
        let mut words: Vec<OsString> = typed.into_iter().collect();
        if words.iter().any(|word| word == "overlap") {
            for word in &mut words {
                let comment = word.to_str().filter(|text| text.starts_with("--"));
                if let Some(text) = comment.filter(|text| text.contains('\n')) {
                    *word = OsString::from(format!(" {text}"));
                }
            }
        }
        words
    }
}

/// Flags that every command understands.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The instant of the evaluation: RFC 3339 text, a date (midnight UTC) or `now`, the default.
    ///
    /// Events and property values at this instant or later are not seen.
    #[arg(long, global = true, value_name = "T", help_heading = "Common options")]
    pub(crate) as_of: Option<String>,
    /// Print one JSON object instead of text.
    #[arg(long, global = true, help_heading = "Common options")]
    pub(crate) json: bool,
    /// Make names that the data does not hold an error instead of a warning.
    #[arg(long, global = true, help_heading = "Common options")]
    pub(crate) strict: bool,
    /// Use so many threads; all cores if not given.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "Common options")]
    pub(crate) threads: Option<u16>,
}

/// One command and its words.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the main job on the sample data of a checkout: load, answer, explain, in seconds.
    #[command(after_help = "Example:\n  crowdset demo")]
    Demo(Demo),
    /// Create a store or add to it.
    ///
    /// A second event with a stored event_id is ignored and counted as a duplicate, so a load may be repeated.
    /// By default a row that cannot be used refuses the whole load and the store stays as it was.
    #[command(after_help = "Examples:\n  \
        crowdset load store --users users.parquet --events events/ --user-properties user_properties.parquet\n  \
        crowdset load store --events 'events/2026-*.parquet' --on-bad-row skip\n  \
        crowdset load store --events export.csv --map events.event_name=action --map events.timestamp=time\n  \
        producer | crowdset load store --events -")]
    Load(Load),
    /// Print how many users a segment selects.
    #[command(after_help = "Examples:\n  \
        crowdset count store \"did(purchase, last 30 days)\"\n  \
        crowdset count store \"did(purchase, last 30 days)\" --as-of 2026-01-01 --json")]
    Count(OneSegment),
    /// Print the ids of the users a segment selects, ascending.
    #[command(after_help = "Examples:\n  \
        crowdset members store \"not did(purchase, last 90 days)\" | head\n  \
        crowdset members store @lapsed.segment --format csv --with email,property.industry\n  \
        crowdset members store @lapsed.segment --format parquet -o lapsed.parquet")]
    Members(Members),
    /// Answer many segments in one pass.
    ///
    /// FILE holds one JSON object a line: {"name": "…", "segment": text or node, "as_of": optional}. Prints one
    /// {"name", "count"} a line in the same order; a line that fails carries "error" instead, and the exit status is 1.
    #[command(after_help = "Example:\n  crowdset eval store segments.ndjson --threads 2")]
    Eval(Eval),
    /// Print how a segment would be answered; with --analyze, answer it and say what that cost.
    #[command(after_help = "Examples:\n  \
        crowdset explain store \"account_type = 'free' and did(purchase)\"\n  \
        crowdset explain store \"account_type = 'free' and did(purchase)\" --analyze")]
    Explain(Explain),
    /// Print whether a segment selects one user, and why: what each condition found, the events it rests on, what was
    /// missing, and when time alone will change the answer.
    #[command(after_help = "Examples:\n  \
        crowdset why store \"account_type = 'free' and count(report_generated, last 30 days) > 5\" u00042\n  \
        crowdset why store @lapsed.segment u00042 --as-of 2026-01-01 --json")]
    Why(Why),
    /// Print how many of a segment's users have each value of an attribute, as of the instant.
    #[command(
        after_help = "Example:\n  crowdset breakdown store \"did(purchase)\" --by account_type"
    )]
    Breakdown(Breakdown),
    /// Print how many users each pair of segments has in common.
    #[command(
        after_help = "Example:\n  crowdset overlap store \"did(purchase)\" \"segment('lapsed')\""
    )]
    Overlap(OverlapArgs),
    /// Print how many users a segment selects at many instants, both ends included.
    #[command(
        after_help = "Example:\n  crowdset trend store \"did(purchase, last 7 days)\" --from 2026-01-01 --to 2026-02-01 --every 1d"
    )]
    Trend(Trend),
    /// Print who came to a segment (+) and who left it (-) between two instants.
    #[command(
        after_help = "Example:\n  crowdset diff store \"did(purchase, last 30 days)\" --from 2026-01-01 --to 2026-02-01"
    )]
    Diff(DiffArgs),
    /// Keep segments in a store under names, for `segment('name')`.
    Segment {
        #[command(subcommand)]
        command: SegmentCommand,
    },
    /// Keep static lists of user ids in a store, for `list('name')`.
    List {
        #[command(subcommand)]
        command: ListCommand,
    },
    /// Print what a store holds: rows, users, and bytes by column and index.
    #[command(after_help = "Example:\n  crowdset stats store")]
    Stats(Stats),
    /// Check every checksum and invariant of a store.
    #[command(after_help = "Example:\n  crowdset verify store")]
    Verify(OneStore),
    /// Write sample data, the same for the same seed: the three tables as Parquet.
    #[command(
        after_help = "Example:\n  crowdset generate sample --users 2000 --events 100000 --days 90 --seed 42"
    )]
    Generate(Generate),
    /// Read a segment and report what is wrong with it.
    #[command(after_help = "Examples:\n  \
        crowdset check \"count(report_generated, last 30 days) > 5\"\n  \
        crowdset check @trial.segment --store store")]
    Check(Check),
    /// Print the same question as SQL for another engine, over the tables users, events (with properties as JSON text)
    /// and user_properties.
    ///
    /// The statement selects the user ids, ascending, as of the instant, which is written into it. What a dialect
    /// cannot say exactly is refused with its place.
    ///
    /// Without --store, email, name, account_type and created_at are columns of users and other bare names are user
    /// properties; users.x is taken to be of the type of the value it is compared with. With --store, names, types,
    /// saved segments and lists come from there.
    #[command(after_help = "Examples:\n  \
        crowdset sql \"did(purchase, last 30 days)\" --dialect duckdb --as-of 2026-01-01\n  \
        crowdset sql \"segment('lapsed')\" --dialect clickhouse --store store")]
    Sql(Sql),
    /// Print a segment in canonical text, or with --json in its JSON form.
    #[command(after_help = "Examples:\n  \
        crowdset fmt \"DID( purchase , last 720 hours )\"\n  \
        crowdset fmt @trial.segment --json")]
    Fmt(Fmt),
    /// Print the JSON Schema of the JSON form of segments, for editors and user interfaces.
    #[command(after_help = "Example:\n  crowdset schema > segment.schema.json")]
    Schema,
}

/// Words of `breakdown`.
#[derive(Debug, Args)]
pub(crate) struct Breakdown {
    #[command(flatten)]
    pub(crate) of: OneSegment,
    /// The attribute: a column of users or a user property, or a cast such as number(property.seats).
    #[arg(long, value_name = "ATTR")]
    pub(crate) by: String,
}

/// Words of `overlap`.
#[derive(Debug, Args)]
pub(crate) struct OverlapArgs {
    /// A store, or a folder of tables.
    #[arg(value_name = "STORE")]
    pub(crate) store: PathBuf,
    /// The segments: text, JSON, or @FILE.
    #[arg(value_name = "SEGMENT", required = true)]
    pub(crate) segments: Vec<String>,
}

/// Words of `trend`.
#[derive(Debug, Args)]
pub(crate) struct Trend {
    #[command(flatten)]
    pub(crate) of: OneSegment,
    /// The first instant: RFC 3339 text or a date.
    #[arg(long, value_name = "T")]
    pub(crate) from: String,
    /// The last instant.
    #[arg(long, value_name = "T")]
    pub(crate) to: String,
    /// The step between two instants: a whole number and ms, s, m, h, d or w.
    #[arg(long, value_name = "STEP", default_value = "1d")]
    pub(crate) every: String,
}

/// Words of `diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    pub(crate) of: OneSegment,
    /// The earlier instant: RFC 3339 text or a date.
    #[arg(long, value_name = "T")]
    pub(crate) from: String,
    /// The later instant.
    #[arg(long, value_name = "T")]
    pub(crate) to: String,
}

/// What to do with saved segments.
#[derive(Debug, Subcommand)]
pub(crate) enum SegmentCommand {
    /// Save a segment: version 1 of a new name, the next version of one that is taken.
    ///
    /// Refused if it names a segment or list that is not saved, or becomes part of itself.
    #[command(
        after_help = "Example:\n  crowdset segment save store lapsed \"did(purchase) and not did(purchase, last 90 days)\""
    )]
    Save {
        /// The store.
        #[arg(value_name = "STORE")]
        store: PathBuf,
        /// The name.
        #[arg(value_name = "NAME")]
        name: String,
        /// The segment: text, JSON, or @FILE.
        #[arg(value_name = "SEGMENT", allow_hyphen_values = true)]
        segment: String,
    },
    /// List the saved segments with their versions.
    #[command(after_help = "Example:\n  crowdset segment list store")]
    List {
        /// The store.
        #[arg(value_name = "STORE")]
        store: PathBuf,
    },
    /// Print the definition of a saved segment, as it was written.
    #[command(
        disable_version_flag = true,
        after_help = "Example:\n  crowdset segment show store lapsed --version 1"
    )]
    Show {
        /// The store.
        #[arg(value_name = "STORE")]
        store: PathBuf,
        /// The name.
        #[arg(value_name = "NAME")]
        name: String,
        /// This version instead of the last, also of a segment that was dropped.
        #[arg(long, value_name = "N")]
        version: Option<u64>,
    },
    /// Drop a saved segment; refused while others name it.
    #[command(after_help = "Example:\n  crowdset segment drop store lapsed")]
    Drop {
        /// The store.
        #[arg(value_name = "STORE")]
        store: PathBuf,
        /// The name.
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Save many segments at once, all of them or none; they may name each other in any order.
    ///
    /// FILE holds one JSON object a line: {"name": "…", "segment": text or node}.
    #[command(after_help = "Example:\n  crowdset segment import store segments.ndjson")]
    Import {
        /// The store.
        #[arg(value_name = "STORE")]
        store: PathBuf,
        /// The segments; `-` reads standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print all saved segments in the form that `import` reads.
    #[command(after_help = "Example:\n  crowdset segment export store > segments.ndjson")]
    Export {
        /// The store.
        #[arg(value_name = "STORE")]
        store: PathBuf,
    },
}

/// What to do with static lists.
#[derive(Debug, Subcommand)]
pub(crate) enum ListCommand {
    /// Save a list of user ids in place of what the name held before.
    #[command(after_help = "Example:\n  crowdset list save store testers testers.txt")]
    Save {
        /// The store.
        #[arg(value_name = "STORE")]
        store: PathBuf,
        /// The name.
        #[arg(value_name = "NAME")]
        name: String,
        /// The ids, one a line; `-` reads standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// List the static lists.
    #[command(after_help = "Example:\n  crowdset list list store")]
    List {
        /// The store.
        #[arg(value_name = "STORE")]
        store: PathBuf,
    },
    /// Print the ids of a list, one a line.
    #[command(after_help = "Example:\n  crowdset list show store testers")]
    Show {
        /// The store.
        #[arg(value_name = "STORE")]
        store: PathBuf,
        /// The name.
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Drop a list; refused while saved segments name it.
    #[command(after_help = "Example:\n  crowdset list drop store testers")]
    Drop {
        /// The store.
        #[arg(value_name = "STORE")]
        store: PathBuf,
        /// The name.
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// Words of `demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// The folder of the sample's tables, if not data/online-retail of the checkout around the current directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// Words of `load`.
#[derive(Debug, Args)]
pub(crate) struct Load {
    /// The store's directory; made if it is missing.
    #[arg(value_name = "STORE")]
    pub(crate) store: PathBuf,
    /// The users table: a file, a folder, a glob, or `-` for NDJSON on standard input. Repeatable.
    #[arg(long, value_name = "P")]
    pub(crate) users: Vec<String>,
    /// Events: a file, a folder, a glob, or `-`. Repeatable.
    #[arg(long, value_name = "P")]
    pub(crate) events: Vec<String>,
    /// User properties: a file, a folder, a glob, or `-`. Repeatable.
    #[arg(long, value_name = "P")]
    pub(crate) user_properties: Vec<String>,
    /// What to do with a row that cannot be used.
    #[arg(long, value_enum, default_value_t = OnBadRow::Fail, value_name = "WHAT")]
    pub(crate) on_bad_row: OnBadRow,
    /// Read a column of another name: TABLE.COLUMN=NAME, such as events.event_name=action. Repeatable.
    #[arg(long, value_name = "TABLE.COLUMN=NAME")]
    pub(crate) map: Vec<String>,
}

/// What to do with a row that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnBadRow {
    /// Refuse the whole load; the store stays as it was.
    Fail,
    /// Leave the row out, count it and show a sample.
    Skip,
}

/// A store and a segment.
#[derive(Debug, Args)]
pub(crate) struct OneSegment {
    /// A store, or a folder of tables.
    #[arg(value_name = "STORE")]
    pub(crate) store: PathBuf,
    /// The segment: text, JSON, or @FILE.
    #[arg(value_name = "SEGMENT", allow_hyphen_values = true)]
    pub(crate) segment: String,
}

/// A store alone.
#[derive(Debug, Args)]
pub(crate) struct OneStore {
    /// A store, or a folder of tables.
    #[arg(value_name = "STORE")]
    pub(crate) store: PathBuf,
}

/// Words of `stats`.
#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// A store, or a folder of tables.
    #[arg(value_name = "STORE")]
    pub(crate) store: PathBuf,
    /// Show every column, not only the largest ones.
    #[arg(long)]
    pub(crate) all: bool,
}

/// Words of `members`.
#[derive(Debug, Args)]
pub(crate) struct Members {
    #[command(flatten)]
    pub(crate) of: OneSegment,
    /// How to write the ids.
    #[arg(long, value_enum, default_value_t = MemberFormat::Lines, value_name = "FORMAT")]
    pub(crate) format: MemberFormat,
    /// Add these attributes as columns, with their values as of the instant: users.x, property.x, bare names, or
    /// casts such as number(property.seats), with commas between them. For csv, ndjson, parquet and arrow.
    #[arg(long, value_name = "COL,…")]
    pub(crate) with: Vec<String>,
    /// Write to this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// How `members` writes ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MemberFormat {
    /// One id a line.
    Lines,
    /// CSV with the header user_id.
    Csv,
    /// One JSON object {"user_id": …} a line.
    Ndjson,
    /// A Parquet file with the column user_id.
    Parquet,
    /// An Arrow IPC file with the column user_id; the IPC stream on standard output.
    Arrow,
    /// The ids themselves as a portable roaring bitmap, of 64 bits if any id of the store needs more than 32. For ids that are integers from 0 on.
    Roaring,
}

impl MemberFormat {
    /// Whether it can hold more than ids.
    pub(crate) fn has_columns(self) -> bool {
        !matches!(self, Self::Lines | Self::Roaring)
    }

    /// Whether it is no text.
    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow | Self::Roaring)
    }
}

/// Words of `eval`.
#[derive(Debug, Args)]
pub(crate) struct Eval {
    /// A store, or a folder of tables.
    #[arg(value_name = "STORE")]
    pub(crate) store: PathBuf,
    /// The segments, one JSON object a line; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// Words of `explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) of: OneSegment,
    /// Answer the segment and show rows, bytes and time of each node.
    #[arg(long)]
    pub(crate) analyze: bool,
    /// Also draw what each node took as a picture.
    #[arg(long, value_name = "FILE", requires = "analyze")]
    pub(crate) svg: Option<PathBuf>,
}

/// Words of `why`.
#[derive(Debug, Args)]
pub(crate) struct Why {
    #[command(flatten)]
    pub(crate) of: OneSegment,
    /// The user's id.
    #[arg(value_name = "USER", allow_hyphen_values = true)]
    pub(crate) user: String,
}

/// Words of `generate`.
#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// The folder to write to; made if it is missing.
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// How many users.
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub(crate) users: u32,
    /// How many events.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) events: u64,
    /// Over how many days.
    #[arg(long, value_name = "N", default_value_t = 90)]
    pub(crate) days: u32,
    /// What the data is drawn from; the same seed gives the same bytes.
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub(crate) seed: u64,
}

/// Words of `check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The segment: text, JSON, or @FILE.
    #[arg(value_name = "SEGMENT", allow_hyphen_values = true)]
    pub(crate) segment: String,
    /// Also look for its names in this store or folder of tables.
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<PathBuf>,
}

/// Words of `sql`.
#[derive(Debug, Args)]
pub(crate) struct Sql {
    /// The segment: text, JSON, or @FILE.
    #[arg(value_name = "SEGMENT", allow_hyphen_values = true)]
    pub(crate) segment: String,
    /// Whose SQL.
    #[arg(long, value_enum)]
    pub(crate) dialect: SqlDialect,
    /// Take names, types, saved segments and lists from this store or folder of tables.
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<PathBuf>,
    /// The table user_properties has no column updated_at but one row a user and name.
    #[arg(long)]
    pub(crate) no_history: bool,
}

/// Whose SQL is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum SqlDialect {
    /// DuckDB.
    Duckdb,
    /// Apache DataFusion.
    Datafusion,
    /// ClickHouse.
    Clickhouse,
    /// Apache Spark.
    Spark,
}

/// Words of `fmt`.
#[derive(Debug, Args)]
pub(crate) struct Fmt {
    /// The segment: text, JSON, or @FILE.
    #[arg(value_name = "SEGMENT", allow_hyphen_values = true)]
    pub(crate) segment: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn a_segment_may_begin_with_a_comment() {
        for segment in ["-- lapsed\ndid(x)", "--lapsed\ndid(x)", "-1"] {
            for words in [
                vec!["crowdset", "count", "store", segment, "--json"],
                vec!["crowdset", "--json", "count", "store", segment],
            ] {
                let line =
                    CommandLine::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
                assert!(line.common.json);
                let Command::Count(count) = line.command else {
                    panic!("not count")
                };
                assert_eq!(count.segment, segment);
            }
        }
    }

    #[test]
    fn any_of_many_segments_may_begin_with_a_comment() {
        let comment = "-- lapsed\ndid(x)";
        let typed = [
            "crowdset", "overlap", "store", comment, "a", comment, "--json",
        ];
        let words = CommandLine::words(typed.map(OsString::from));
        let line = CommandLine::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
        assert!(line.common.json);
        let Command::Overlap(overlap) = line.command else {
            panic!("not overlap")
        };
        let segments: Vec<&str> = overlap.segments.iter().map(|word| word.trim()).collect();
        assert_eq!(segments, [comment, "a", comment]);
    }
}
