//! A fresh directory and the real binary: what every test of the command line starts from.

// Each test file is a program of its own and uses a part of this.
#![allow(dead_code, reason = "shared by several test programs")]

use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A directory with the three tables in it, gone with the test.
pub(crate) struct World {
    dir: tempfile::TempDir,
}

/// What a command said.
pub(crate) struct Said {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl World {
    /// Six users, eleven events, five properties: small enough to answer by hand.
    pub(crate) fn new() -> Self {
        let world = Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
        };
        fs::create_dir(world.path("tables")).expect("a folder");
        world.write(
            "tables/users.ndjson",
            r#"{"user_id":"u1","email":"a@x.org","created_at":"2025-01-01T00:00:00Z","account_type":"free"}
{"user_id":"u2","email":"b@x.org","created_at":"2025-06-01T00:00:00Z","account_type":"free"}
{"user_id":"u3","email":null,"created_at":"2025-12-20T00:00:00Z","account_type":"agency"}
{"user_id":"u4","email":"d@x.org","created_at":"2025-02-01T00:00:00Z","account_type":"free"}
{"user_id":"u5","email":"e@x.org","created_at":"2025-03-01T00:00:00Z"}
{"user_id":"u,6","email":"f@x.org","created_at":"2025-03-01T00:00:00Z","account_type":"agency"}
"#,
        );
        world.write(
            "tables/events.ndjson",
            r#"{"event_id":"e01","user_id":"u1","event_name":"purchase","timestamp":"2025-12-01T10:00:00Z","properties":{"amount":10,"product_id":"A"}}
{"event_id":"e02","user_id":"u1","event_name":"purchase","timestamp":"2025-12-15T10:00:00Z","properties":{"amount":20.5,"product_id":"B"}}
{"event_id":"e03","user_id":"u2","event_name":"purchase","timestamp":"2025-12-31T23:59:59.999Z","properties":{"amount":99,"product_id":"A"}}
{"event_id":"e04","user_id":"u2","event_name":"page_viewed","timestamp":"2025-12-30T08:00:00Z","properties":{"url":"/pricing"}}
{"event_id":"e05","user_id":"u3","event_name":"page_viewed","timestamp":"2025-12-30T09:00:00Z","properties":{"url":"/docs/a"}}
{"event_id":"e06","user_id":"u3","event_name":"page_viewed","timestamp":"2025-12-30T09:00:00Z","properties":{"url":"/docs/b"}}
{"event_id":"e07","user_id":"u,6","event_name":"purchase","timestamp":"2025-12-24T18:00:00Z","properties":{"amount":5,"product_id":"C"}}
{"event_id":"e08","user_id":"stranger","event_name":"purchase","timestamp":"2025-12-24T18:00:00Z","properties":{"amount":5}}
{"event_id":"e01","user_id":"u4","event_name":"purchase","timestamp":"2025-12-25T18:00:00Z","properties":{"amount":5}}
{"event_id":"e10","user_id":"u4","event_name":"signed_out","timestamp":"2026-01-01T00:00:00Z","properties":{}}
{"event_id":"e11","user_id":"u1","event_name":"signed_out","timestamp":"2025-12-15T11:00:00Z"}
"#,
        );
        world.write(
            "tables/user_properties.ndjson",
            r#"{"property_id":1,"user_id":"u1","property_name":"industry","property_value":"SaaS","updated_at":"2025-01-01T00:00:00Z"}
{"property_id":2,"user_id":"u2","property_name":"industry","property_value":"Retail","updated_at":"2025-01-01T00:00:00Z"}
{"property_id":3,"user_id":"u2","property_name":"industry","property_value":"SaaS","updated_at":"2025-12-01T00:00:00Z"}
{"property_id":4,"user_id":"u3","property_name":"industry","property_value":"SaaS","updated_at":"2025-01-01T00:00:00Z"}
{"property_id":5,"user_id":"u4","property_name":"seats","property_value":"12","updated_at":"2025-01-01T00:00:00Z"}
"#,
        );
        world
    }

    /// The same, loaded into the store `store`.
    pub(crate) fn with_store() -> Self {
        let world = Self::new();
        let said = world.run(&[
            "load",
            "store",
            "--users",
            "tables/users.ndjson",
            "--events",
            "tables/events.ndjson",
            "--user-properties",
            "tables/user_properties.ndjson",
        ]);
        assert_eq!(said.status, 0, "{}", said.err);
        world
    }

    /// A path in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).expect("a file");
    }

    /// The binary, to be run in the directory.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crowdset"));
        command
            .args(words)
            .current_dir(self.dir.path())
            .env("RUST_BACKTRACE", "1");
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Said {
        said(
            &self
                .command(words)
                .stdin(Stdio::null())
                .output()
                .expect("the binary runs"),
        )
    }

    /// Runs the binary with something on standard input.
    pub(crate) fn run_with_input(&self, words: &[&str], input: &str) -> Said {
        let mut child = self
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        // A command that refuses its words never reads its input.
        let _ = child
            .stdin
            .take()
            .expect("piped")
            .write_all(input.as_bytes());
        said(&child.wait_with_output().expect("the binary ends"))
    }

    /// Runs a command that must succeed; what it printed.
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let said = self.run(words);
        assert_eq!(said.status, 0, "{words:?}: {}", said.err);
        said.out
    }

    /// Runs a command that must succeed and print one JSON object.
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let out = self.ok(words);
        assert_eq!(out.lines().count(), 1, "one line: {out}");
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// All files of the directory `name`, with their bytes.
    pub(crate) fn files(&self, name: &str) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(self.path(name))
            .expect("a directory")
            .map(|entry| {
                let path = entry.expect("an entry").path();
                (file_name(&path), fs::read(&path).expect("a file"))
            })
            .collect();
        files.sort();
        files
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned()
}

pub(crate) fn said(output: &Output) -> Said {
    let said = Said {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    // Whatever happens, nobody is to see the inside of the program.
    assert!(
        !said.err.contains("panicked") && !said.err.contains("stack backtrace"),
        "{}",
        said.err
    );
    assert!(!said.err.contains("internal error"), "{}", said.err);
    said
}
