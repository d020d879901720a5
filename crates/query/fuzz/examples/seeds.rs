//! Writes the segments of the conformance suite as the corpora to begin with: run it in this folder.

use crowdset_query::Segment;
use std::error::Error;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let [texts, jsons] = ["parse_text", "parse_json"].map(|target| root.join("corpus").join(target));
    fs::create_dir_all(&texts)?;
    fs::create_dir_all(&jsons)?;
    let mut count = 0;
    for entry in fs::read_dir(root.join("../../../data/suite"))? {
        let suite: toml::Table = fs::read_to_string(entry?.path())?.parse()?;
        let cases = suite.get("case").and_then(toml::Value::as_array);
        for case in cases.into_iter().flatten() {
            let Some(text) = case.get("segment").and_then(toml::Value::as_str) else {
                continue;
            };
            count += 1;
            fs::write(texts.join(format!("{count:04}")), text)?;
            // Wrong ones are seeds of text only.
            if let Ok(segment) = text.parse::<Segment>() {
                fs::write(jsons.join(format!("{count:04}")), segment.to_json().to_string())?;
            }
        }
    }
    println!("{count} segments");
    Ok(())
}
