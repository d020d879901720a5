//! Crowdset's readers: files and record batches to typed rows.
