//! Crowdset's bitmap index: for a term, which users?
