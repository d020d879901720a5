//! Goal: the documents stay true. The drawing of the crates is what cargo sees, and what a document
//! names can be found.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the workspace is above this crate")
}

/// crate → the crates of this workspace that it depends on, tests and benches left aside.
fn drawn(architecture: &str) -> BTreeMap<String, BTreeSet<String>> {
    architecture
        .split("```dependencies\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("docs/ARCHITECTURE.md has a block of dependencies")
        .lines()
        .map(|line| {
            let (name, rest) = line.split_once('→').expect("each line is `crate → crates`");
            (
                name.trim().to_owned(),
                rest.split_whitespace().map(str::to_owned).collect(),
            )
        })
        .collect()
}

#[test]
fn the_drawing_is_what_cargo_sees() {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .current_dir(top())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let seen: BTreeMap<String, BTreeSet<String>> = packages
        .iter()
        .map(|package| {
            let needs = package["dependencies"]
                .as_array()
                .expect("dependencies")
                .iter()
                .filter(|dependency| {
                    // `kind` is null for what the crate itself needs, "dev" or "build" otherwise.
                    dependency["kind"].is_null() && !dependency["path"].is_null()
                });
            let names = needs
                .map(|dependency| dependency["name"].as_str().expect("a name").to_owned())
                .collect();
            (package["name"].as_str().expect("a name").to_owned(), names)
        })
        .collect();
    let architecture =
        fs::read_to_string(top().join("docs/ARCHITECTURE.md")).expect("docs/ARCHITECTURE.md");
    assert_eq!(drawn(&architecture), seen);
}

#[test]
fn what_the_documents_name_exists() {
    let mut documents = vec![top().join("README.md")];
    for entry in fs::read_dir(top().join("docs")).expect("docs") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "md") {
            documents.push(path);
        }
    }
    let mut missing = Vec::new();
    for document in documents {
        let text = fs::read_to_string(&document).expect("a readable document");
        for word in text.split(|c: char| c.is_whitespace() || "`()[],;:\"'|*".contains(c)) {
            let path = word.trim_end_matches('.').trim_start_matches("./");
            let named = ["crates/", "docs/", "data/", "benches/", ".ci/"]
                .iter()
                .any(|root| path.starts_with(root));
            let is_pattern = path.contains(['<', '…', '{', '$']) || path.ends_with("...");
            if named && !is_pattern && !top().join(path).exists() {
                missing.push(format!("{}: {path}", document.display()));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "named, but not there:\n{}",
        missing.join("\n")
    );
}

#[test]
fn the_top_level_is_as_agreed() {
    let output = Command::new("git")
        .args(["ls-files"])
        .current_dir(top())
        .output();
    // A source archive has no git; there is nothing to hold it against then.
    let Ok(output) = output else { return };
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let seen: BTreeSet<&str> = listed
        .lines()
        .filter_map(|path| path.split('/').next())
        .collect();
    let agreed = BTreeSet::from([
        ".ci",
        ".gitignore",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "benches",
        "crates",
        "data",
        "docs",
    ]);
    let extra: Vec<_> = seen.difference(&agreed).collect();
    assert!(
        extra.is_empty(),
        "not part of the agreed top level: {extra:?}"
    );
}
