//! Any bytes as a segment's text.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        crowdset_query_fuzz::text_laws(text);
    }
});
