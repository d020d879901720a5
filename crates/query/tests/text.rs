//! The text form: what it reads, how it prints, and what it says about mistakes.

use crowdset_query::Segment;

/// The canonical text, or the errors as people see them.
fn read(input: &str) -> String {
    match input.parse::<Segment>() {
        Ok(segment) => segment.to_string(),
        Err(error) => error.to_string(),
    }
}

fn check(input: &str, expected: &str) {
    assert_eq!(read(input), expected.trim_matches('\n'), "\n--- of: {input}");
    if !expected.contains('^') {
        let again = read(&read(input));
        assert_eq!(again, expected, "the canonical text must read as itself");
    }
}

/// Reads and prints as itself.
fn same(input: &str) {
    check(input, input);
}
#[test]
fn show() {
    for line in std::fs::read_to_string("/tmp/q-lines.txt").unwrap().lines() {
        println!("{}\n", read(line));
    }
    same("did(a)");
}
