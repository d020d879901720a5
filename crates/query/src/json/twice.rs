//! Objects that have a key twice. A tree in memory holds one of the two and forgets the other, so they
//! are looked for while the text is read.

use crate::parser::shorten;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt::{self, Display, Formatter};

/// Reads a value and keeps nothing of it; of a key that an object has twice it makes an error. The way
/// to the value is for that.
#[derive(Clone, Copy)]
pub(super) enum OnlyOnce<'a> {
    /// The whole.
    Top,
    /// What an object has under a key.
    Key(&'a OnlyOnce<'a>, &'a str),
    /// An item of a list.
    Item(&'a OnlyOnce<'a>, usize),
}

impl Display for OnlyOnce<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut steps = Vec::new();
        let mut step = self;
        loop {
            match step {
                Self::Top => break,
                Self::Key(of, key) => {
                    steps.push(format!(".{}", shorten(key)));
                    step = of;
                }
                Self::Item(of, index) => {
                    steps.push(format!("[{index}]"));
                    step = of;
                }
            }
        }
        f.write_str("$")?;
        steps.iter().rev().try_for_each(|step| f.write_str(step))
    }
}

impl<'de> DeserializeSeed<'de> for OnlyOnce<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OnlyOnce<'_> {
    type Value = ();

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0;
        while items
            .next_element_seed(OnlyOnce::Item(&self, index))?
            .is_some()
        {
            index += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            let way = OnlyOnce::Key(&self, &key);
            if seen.contains(&key) {
                return Err(A::Error::custom(format!("{way}: the key is there twice")));
            }
            entries.next_value_seed(way)?;
            seen.insert(key);
        }
        Ok(())
    }
}
