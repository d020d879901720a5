//! A stable number per user, drawn from a salt and the user's id.

use crowdset_storage::Users;
use crowdset_types::{Number, UserOrdinal};
use xxhash_rust::xxh3::xxh3_64;

/// `bucket('salt')`, made ready.
pub(crate) struct Bucket<'a> {
    /// The salt and a zero byte: what is hashed before the id.
    prefix: Vec<u8>,
    users: &'a Users,
}

impl<'a> Bucket<'a> {
    /// The ids of `users` must have been touched.
    pub(crate) fn new(salt: &str, users: &'a Users) -> Self {
        let mut prefix = salt.as_bytes().to_vec();
        prefix.push(0);
        Self { prefix, users }
    }

    /// Something that numbers users without an allocation for each of them.
    pub(crate) fn numbers(&self) -> impl FnMut(UserOrdinal) -> Number {
        let mut text = self.prefix.clone();
        move |user| {
            text.truncate(self.prefix.len());
            text.extend_from_slice(self.users.id(user).as_bytes());
            Number::Float(share(xxh3_64(&text)))
        }
    }
}

/// A hash over 2^64. The largest hashes would be rounded up to 1, which no bucket is.
fn share(hash: u64) -> f64 {
    const BELOW_ONE: f64 = 1.0 - f64::EPSILON / 2.0;
    (hash as f64 / 18_446_744_073_709_551_616.0).min(BELOW_ONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_published_function() {
        // From the sanity tests of xxHash 0.8 (XSUM_XXH3_testdata, seed 0): the empty input.
        assert_eq!(xxh3_64(b""), 0x2D06_8005_38D3_94C2);
        assert_eq!(share(0), 0.0);
        assert_eq!(share(1 << 63), 0.5);
        assert!(share(u64::MAX) < 1.0);
    }
}
