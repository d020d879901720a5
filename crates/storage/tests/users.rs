//! Goal: the users' image gives back ids, universe, order and attributes, and can be gone on from.
//! Method: small cases with known answers, and a random history compared with a naive reading.

use crowdset_storage::{
    AttributeBuilder, AttributeValue, Column, Directory, HistoryBuilder, IdKind, MemoryDirectory,
    PartData, Table, Universe, UserIds, Users, UsersBuilder,
};
use crowdset_types::{ChunkId, UserOrdinal, Value};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn user(ordinal: u32) -> UserOrdinal {
    UserOrdinal(ordinal)
}

fn ids(names: &[&str]) -> UserIds {
    let mut ids = UserIds::new(9);
    for name in names {
        ids.get_or_insert(name);
    }
    ids
}

fn write(builder: UsersBuilder<'_>) -> Users {
    let directory = MemoryDirectory::new();
    builder.write(&directory, "users-000001.columns").unwrap();
    Users::open(&directory, "users-000001.columns").unwrap()
}

fn by_id(users: &Users) -> Vec<UserOrdinal> {
    let ranks = 0..users.ordinals() as u32;
    ranks.map(|rank| users.by_rank(rank)).collect()
}

fn value_at(column: &Column, row: usize) -> Option<Value> {
    column
        .parts
        .iter()
        .find(|part| part.is_present(row))
        .map(|part| match &part.data {
            PartData::Bool(bits) => Value::Bool(bits.get(row)),
            PartData::Integer { base, offsets } => {
                Value::Integer(base.wrapping_add(offsets.get(row) as i64))
            }
            PartData::Time { base, offsets } => {
                Value::Time(base.wrapping_add(offsets.get(row) as i64))
            }
            PartData::Decimal {
                places,
                base,
                offsets,
            } => {
                Value::Float((base + offsets.get(row) as i64) as f64 / 10_f64.powi(*places as i32))
            }
            PartData::Float(values) => Value::Float(values[row]),
            PartData::Text { dictionary, codes } => {
                Value::Text(dictionary.get(codes.get(row) as usize).to_owned())
            }
            PartData::Array { dictionary, codes } => {
                Value::Array(dictionary.get(codes.get(row) as usize).to_owned())
            }
        })
}

#[test]
fn ids_are_found_and_sorted_as_text_or_as_numbers() {
    let names = ["10", "9", "-1", "123456789012345678901", "0", "x"];
    let ids = ids(&names);
    let order = |kind| {
        let users = write(UsersBuilder::new(&ids, kind, Universe::Everyone));
        users.touch_ids().unwrap();
        users.touch_ranks().unwrap();
        for (ordinal, name) in (0..).zip(names) {
            assert_eq!(
                (users.id(user(ordinal)), users.find(name)),
                (name, Some(user(ordinal)))
            );
            assert_eq!(users.by_rank(users.rank(user(ordinal))), user(ordinal));
        }
        assert_eq!((users.find("7"), users.id_kind()), (None, kind));
        by_id(&users)
            .into_iter()
            .map(|ordinal| names[ordinal.0 as usize])
            .collect::<Vec<_>>()
    };
    assert_eq!(
        order(IdKind::Text),
        ["-1", "0", "10", "123456789012345678901", "9", "x"]
    );
    assert_eq!(
        order(IdKind::Integer),
        ["-1", "0", "9", "10", "123456789012345678901", "x"]
    );
}

#[test]
fn text_ids_sort_by_bytes_whatever_they_have_in_common() {
    for names in [
        vec!["user_", "user_b", "user_a", "user_a\0", "user_aa"],
        vec!["same", "samesamesamesamesame2", "samesamesamesamesame1"],
        vec!["", "b", "a"],
        vec!["only"],
        vec![],
    ] {
        let ids = ids(&names);
        let users = write(UsersBuilder::new(&ids, IdKind::Text, Universe::Everyone));
        let found: Vec<&str> = by_id(&users)
            .into_iter()
            .map(|ordinal| users.id(ordinal))
            .collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(found, sorted);
    }
}

#[test]
fn the_universe_is_whole_chunks_of_bits_without_strangers() {
    let names: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
    let ids = ids(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let everyone = write(UsersBuilder::new(&ids, IdKind::Integer, Universe::Everyone));
    assert_eq!(
        (
            everyone.ordinals(),
            everyone.universe_len(),
            everyone.chunks()
        ),
        (20_000, 20_000, 2)
    );
    assert_eq!(
        (
            everyone.universe(ChunkId(0))[255],
            everyone.universe(ChunkId(1))[56]
        ),
        (u64::MAX, u64::MAX >> 32)
    );
    assert_eq!(everyone.universe(ChunkId(2)), [0; 256]);
    let some = write(UsersBuilder::new(
        &ids,
        IdKind::Integer,
        Universe::Bits(vec![0b101]),
    ));
    assert_eq!(
        (some.universe_len(), some.universe(ChunkId(1)).len()),
        (2, 256)
    );
    assert!(
        some.in_universe(user(2)) && !some.in_universe(user(1)) && !some.in_universe(user(99_999))
    );
    let too_many = write(UsersBuilder::new(
        &ids,
        IdKind::Integer,
        Universe::Bits(vec![u64::MAX; 400]),
    ));
    assert_eq!(too_many.universe_len(), 20_000);
}

#[test]
fn the_last_value_of_a_users_column_wins_and_can_be_gone_on_from() {
    let mut builder = AttributeBuilder::new(Table::Users, "plan");
    builder.set(user(1), AttributeValue::Text("free"));
    builder.set(user(2), AttributeValue::Text("paid"));
    builder.set(user(1), AttributeValue::Text("trial"));
    builder.set(user(3), AttributeValue::Integer(i64::MIN));
    builder.set(user(4), AttributeValue::Float(2.5));
    builder.set(user(5), AttributeValue::Bool(false));
    builder.set(user(6), AttributeValue::Time(-5));
    builder.set(user(7), AttributeValue::Array("[1]"));
    builder.set(user(8), AttributeValue::Text("gone"));
    builder.unset(user(8));
    let expected = |row| match row {
        1 => Some(Value::Text("trial".to_owned())),
        2 => Some(Value::Text("paid".to_owned())),
        3 => Some(Value::Integer(i64::MIN)),
        4 => Some(Value::Float(2.5)),
        5 => Some(Value::Bool(false)),
        6 => Some(Value::Time(-5)),
        7 => Some(Value::Array("[1]".to_owned())),
        _ => None,
    };
    let names: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    let ids = ids(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut first = UsersBuilder::new(&ids, IdKind::Integer, Universe::Everyone);
    first.attribute(builder.encode(10).unwrap());
    let first = write(first);
    let attribute = first.attribute(Table::Users, "plan").unwrap();
    let column = attribute.column().unwrap();
    assert!((0..10).all(|row| value_at(column, row) == expected(row)));
    assert_eq!(
        (attribute.present(), attribute.text_values()),
        (7, Some(2)),
        "replaced texts leave no trace"
    );
    assert!(attribute.history().unwrap().is_none());

    let mut again = UserIds::from_users(&first).unwrap();
    assert_eq!(
        (again.get_or_insert("3"), again.get_or_insert("new")),
        (3, 10)
    );
    let mut builder = AttributeBuilder::from_attribute(attribute).unwrap();
    builder.set(user(2), AttributeValue::Text("free"));
    let mut second = UsersBuilder::new(&again, IdKind::Text, Universe::Everyone);
    second.attribute(builder.encode(11).unwrap());
    let second = write(second);
    let column = second.attributes()[0].column().unwrap();
    assert_eq!(value_at(column, 2), Some(Value::Text("free".to_owned())));
    assert!(
        (0..11)
            .filter(|row| *row != 2)
            .all(|row| value_at(column, row) == expected(row))
    );
}

#[test]
fn attributes_are_told_apart_by_table_and_name() {
    let ids = ids(&["a"]);
    let mut builder = UsersBuilder::new(&ids, IdKind::Text, Universe::Everyone);
    let mut property = HistoryBuilder::new("plan");
    property.push(user(0), None, Some("x"));
    builder.attribute(property.encode(1).unwrap());
    for name in ["plan", "age"] {
        let mut column = AttributeBuilder::new(Table::Users, name);
        column.set(user(0), AttributeValue::Integer(1));
        builder.attribute(column.encode(1).unwrap());
    }
    let users = write(builder);
    let names: Vec<(Table, &str)> = users
        .attributes()
        .iter()
        .map(|found| (found.table(), found.name()))
        .collect();
    assert_eq!(
        names,
        [
            (Table::Users, "age"),
            (Table::Users, "plan"),
            (Table::Properties, "plan")
        ]
    );
    assert!(
        users
            .attribute(Table::Properties, "plan")
            .unwrap()
            .kinds()
            .text
    );
    assert!(users.attribute(Table::Properties, "age").is_none());

    let mut twice = UsersBuilder::new(&ids, IdKind::Text, Universe::Everyone);
    for _ in 0..2 {
        twice.attribute(
            AttributeBuilder::new(Table::Users, "age")
                .encode(1)
                .unwrap(),
        );
    }
    let error = twice
        .write(&MemoryDirectory::new(), "users-000001.columns")
        .unwrap_err();
    assert!(
        error.to_string().contains("`age` is there twice"),
        "{error}"
    );
}

#[test]
fn changed_bytes_are_reported_by_name() {
    let names: Vec<String> = (0..100).map(|number| format!("u{number}")).collect();
    let ids = ids(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut property = HistoryBuilder::new("plan");
    property.push(user(3), Some(5), Some("x"));
    let mut builder = UsersBuilder::new(&ids, IdKind::Text, Universe::Everyone);
    builder.attribute(property.encode(100).unwrap());
    let directory = MemoryDirectory::new();
    builder.write(&directory, "u.columns").unwrap();
    let bytes = directory.open("u.columns").unwrap().to_vec();
    let mut reported = BTreeSet::new();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 128;
        let directory = MemoryDirectory::new();
        directory.replace("u.columns", &changed).unwrap();
        let Ok(users) = Users::open(&directory, "u.columns") else {
            continue;
        };
        let mut by_verify = BTreeSet::new();
        users.verify(&mut |damaged| by_verify.extend([damaged.section]));
        let attribute = &users.attributes()[0];
        // A section that serves two is reported by both.
        let by_use: BTreeSet<String> = [
            users.touch_ids().err(),
            users.touch_ranks().err(),
            attribute.column().err(),
            attribute.history().err(),
        ]
        .into_iter()
        .flatten()
        .map(|damaged| damaged.section)
        .collect();
        assert_eq!(by_use, by_verify, "byte {at}");
        reported.extend(by_use);
    }
    // The universe is checked when the file is opened.
    assert_eq!(reported.len(), 12, "{reported:?}");
}

/// Times that take few bits together, and some that take many.
fn instant() -> impl Strategy<Value = i64> {
    prop_oneof![
        20 => -5_i64..5,
        1 => Just(1 << 33),
        1 => Just(-1 << 41),
        1 => Just(i64::MAX),
        1 => Just(i64::MIN + 1),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_history_says_what_held_when(
        rows in prop::collection::vec(
            (prop_oneof![0_u32..4, Just(16_390)], prop::option::of(instant()), prop::option::of("[ab]{0,2}")),
            0..60,
        ),
        again in any::<bool>(),
    ) {
        let ordinals = 16_391;
        let mut ids = UserIds::new(1);
        for number in 0..ordinals {
            ids.get_or_insert(&number.to_string());
        }
        let mut builder = HistoryBuilder::new("plan");
        for (who, at, value) in &rows {
            builder.push(user(*who), *at, value.as_deref());
        }
        let build = |builder: HistoryBuilder| {
            let mut users = UsersBuilder::new(&ids, IdKind::Text, Universe::Everyone);
            users.attribute(builder.encode(ordinals).unwrap());
            write(users)
        };
        let mut users = build(builder);
        if again {
            users = build(HistoryBuilder::from_attribute(&users.attributes()[0]).unwrap());
        }
        let attribute = &users.attributes()[0];
        let column = attribute.column().unwrap();
        let PartData::Text { dictionary, .. } = &column.parts[0].data else { panic!("text") };
        let history = attribute.history().unwrap();
        prop_assert_eq!(history.is_some(), rows.iter().any(|(_, at, _)| at.is_some()));
        let latest = rows.iter().filter_map(|(_, at, _)| *at).max();
        prop_assert_eq!((history.map(crowdset_storage::History::latest), attribute.latest()), (latest, latest));

        for who in [0, 1, 2, 3, 16_390] {
            // By time, null first; of equal times the later row holds.
            let mut held: BTreeMap<i64, Option<&str>> = BTreeMap::new();
            for (_, at, value) in rows.iter().filter(|row| row.0 == who) {
                held.insert(at.unwrap_or(i64::MIN), value.as_deref());
            }
            let last = held.values().last().copied().flatten().map(|text| Value::Text(text.to_owned()));
            prop_assert_eq!(value_at(column, who as usize), last);
            let Some(history) = history else { continue };
            let of_chunk = history.chunk(user(who).chunk());
            let found: BTreeMap<i64, Option<&str>> = (0..of_chunk.users.len())
                .filter(|row| of_chunk.users[*row] == user(who).within_chunk())
                .map(|row| {
                    let code = of_chunk.code(row);
                    (of_chunk.at(row), (code != u32::MAX).then(|| dictionary.get(code as usize)))
                })
                .collect();
            prop_assert_eq!(found, held);
            prop_assert!(of_chunk.iter().map(|(user, at, _)| (user, at)).is_sorted());
            prop_assert!(history.chunk(ChunkId(2)).users.is_empty());
        }
    }
}
