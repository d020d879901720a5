//! Any bytes that are JSON as a segment's JSON form.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    crowdset_query_fuzz::json_laws(data);
});
