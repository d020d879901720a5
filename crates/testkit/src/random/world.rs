//! Random worlds.

use super::Rng;
use crate::data::{Data, EventRow, IdKind, PropertyRow, UserRow};
use crowdset_types::{TimestampMillis, Value};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

pub(super) const SECOND: i64 = 1_000;
pub(super) const HOUR: i64 = 3_600_000;
pub(super) const DAY: i64 = 86_400_000;

/// Lengths that instants and windows are made of, so that both fall on the same places.
pub(super) const LENGTHS: [i64; 10] = [
    1,
    SECOND,
    HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
    30 * DAY,
    60 * DAY,
];

/// Event names that occur.
pub(super) const EVENTS: [&str; 4] = ["a", "b", "c", "Page Viewed"];

/// A small world and the instants worth asking it about.
#[derive(Debug, Clone)]
pub struct World {
    /// The rows.
    pub data: Data,
    /// Instants of evaluation: around a centre, and at, just before and just after events.
    pub as_of: Vec<TimestampMillis>,
    /// Instants that something happened at, and their neighbours, for windows.
    pub(super) instants: Vec<i64>,
    /// User ids that occur in a table.
    pub(super) ids: Vec<String>,
}

/// A world of up to twelve users and forty events.
pub fn world(seed: u64) -> World {
    world_among(seed, 0)
}

/// A world whose users stand among `fillers` further rows of the users table, at random places, so
/// that they lie far apart wherever users are grouped. Fillers have no id that sorts between them.
pub fn world_among(seed: u64, fillers: usize) -> World {
    let mut rng = Rng::new(seed);
    let rng = &mut rng;
    // A Wednesday; some worlds lie across a change of daylight-saving time, some long ago.
    let centre = *rng.pick(&[
        1_772_620_200_000_i64,
        1_772_620_200_000,
        1_774_746_000_000,
        86_400_000,
        -5_000_000_000,
    ]);
    let mut instants: Vec<i64> = (0..rng.between(2, 12))
        .map(|_| instant(rng, centre))
        .collect();
    // Few different instants make ties likely.
    instants.push(centre);

    let mut data = Data {
        history: rng.chance(70),
        user_ids: if rng.chance(25) {
            IdKind::Integer
        } else {
            IdKind::Text
        },
        event_ids: if rng.chance(25) {
            IdKind::Integer
        } else {
            IdKind::Text
        },
        property_ids: if rng.chance(25) {
            IdKind::Integer
        } else {
            IdKind::Text
        },
        ..Data::default()
    };
    let user_count = if rng.chance(50) {
        rng.between(1, 5)
    } else {
        rng.between(6, 12)
    };
    let ids: Vec<String> = (0..user_count + 2)
        .map(|number| id(data.user_ids, "u", number))
        .collect();
    if fillers > 0 || rng.chance(85) {
        data.users = Some(users(
            rng,
            &ids,
            user_count,
            fillers,
            data.user_ids,
            &instants,
        ));
    }
    // Without a users table everyone seen is a user, and there are no orphans.
    let events = if rng.chance(10) {
        rng.below(8)
    } else {
        rng.between(10, 40)
    };
    let has_columns = rng.chance(50);
    for number in 0..events {
        let is_duplicate = !data.events.is_empty() && rng.chance(6);
        let event_id = if is_duplicate {
            rng.pick(&data.events).event_id.clone()
        } else {
            id(data.event_ids, "e", scramble(number))
        };
        let wanders = rng.chance(25);
        let near = *rng.pick(&instants);
        data.events.push(EventRow {
            event_id,
            user_id: rng.pick(&ids).clone(),
            event_name: (*rng.pick(&EVENTS)).to_owned(),
            timestamp_ms: if wanders { instant(rng, centre) } else { near },
            properties: properties(rng),
            columns: event_columns(rng, has_columns),
        });
    }
    for number in 0..rng.between(0, 14) {
        let row = property_row(rng, &ids, number, data.property_ids, &instants);
        data.properties.push(row);
    }

    let seen: Vec<i64> = data.events.iter().map(|event| event.timestamp_ms).collect();
    let mut as_of = vec![
        centre,
        centre,
        centre,
        centre + 1,
        centre - 7 * DAY,
        centre + 30 * DAY,
        centre + DAY,
    ];
    if !seen.is_empty() {
        let at = *rng.pick(&seen);
        as_of.extend([at, at + 1, at - 1]);
    }
    if let Some(at) = data.properties.iter().find_map(|row| row.updated_at) {
        as_of.extend([at, at + 1]);
    }
    for at in seen {
        instants.extend([at, at + 1]);
    }
    let mut world = World {
        data,
        as_of: as_of.into_iter().map(TimestampMillis).collect(),
        instants,
        ids,
    };
    save(rng, &mut world);
    world
}

/// Saves some lists, with ids that nobody has and of users without a row among them, and some
/// segments, each of which may name those before it.
fn save(rng: &mut Rng, world: &mut World) {
    for name in ["friends", "it's", "nobody yet"] {
        if rng.chance(60) {
            let mut ids = rng.picks(&world.ids, 4);
            ids.push("888888".to_owned());
            if name == "nobody yet" {
                ids.drain(..ids.len() - 1);
            }
            world.data.lists.insert(name.to_owned(), ids);
        }
    }
    for (depth, name) in ["s1", "the second", "s'3"].into_iter().enumerate() {
        if rng.chance(60) {
            let segment = super::segment(rng, world, depth);
            world.data.segments.insert(name.to_owned(), segment);
        }
    }
}

/// A world of many rows: counts beyond a byte, hundreds of different values, runs of rows longer
/// than any block that is worked on at once. Half of them have many users as well.
///
/// Sequences are tried by brute force; ask this world for none.
pub fn busy_world(seed: u64) -> World {
    let mut rng = Rng::new(seed ^ 0xb5);
    let rng = &mut rng;
    let fillers = if rng.chance(50) { 20_000 } else { 0 };
    let mut world = world_among(seed, fillers);
    // They may hold sequences.
    world.data.segments.clear();
    let data = &mut world.data;
    let busiest = rng.pick(&world.ids).clone();
    let centre = world.as_of[0].0;
    let has_columns = rng.chance(50);
    for number in 0..rng.between(2_000, 6_000) {
        let user_id = match rng.below(4) {
            0 | 1 => busiest.clone(),
            2 => rng.pick(&world.ids).clone(),
            _ => match &data.users {
                Some(users) if !users.is_empty() => rng.pick(users).user_id.clone(),
                _ => busiest.clone(),
            },
        };
        let mut properties = properties(rng);
        let rounds = rng.below(1_000) as i64;
        let number_value = match rng.below(6) {
            0 => json!(rounds - 500),
            1 => json!(rounds as f64 / 100.0),
            2 => json!(rounds as f64 / 7.0),
            3 => json!(rounds * 10_000_000_000_000),
            _ => Json::Null,
        };
        if !number_value.is_null() {
            properties.insert("n".to_owned(), number_value);
        }
        if rng.chance(40) {
            properties.insert("s".to_owned(), json!(format!("x{rounds}")));
        }
        let event_id = match data.event_ids {
            IdKind::Text => format!("m{number}"),
            IdKind::Integer => (1_000 + number).to_string(),
        };
        data.events.push(EventRow {
            event_id,
            user_id,
            event_name: (*rng.pick(&EVENTS[..2])).to_owned(),
            timestamp_ms: centre + DAY - rng.below(90 * DAY as usize) as i64,
            properties,
            columns: event_columns(rng, has_columns),
        });
    }
    world
}

/// Ids whose order as text differs from their order as numbers and from that of arrival.
fn id(kind: IdKind, prefix: &str, number: usize) -> String {
    match kind {
        IdKind::Text => format!("{prefix}{number}"),
        IdKind::Integer => (number * 7 % 40 + 2).to_string(),
    }
}

/// Another order of `0..41`.
const fn scramble(number: usize) -> usize {
    number * 17 % 41
}

/// At, just before or just after a sum of lengths from the centre; rarely far away.
fn instant(rng: &mut Rng, centre: i64) -> i64 {
    if rng.chance(2) {
        return *rng.pick(&[-9_000_000_000_000, 9_000_000_000_000, 0]);
    }
    let mut at = centre;
    for _ in 0..rng.between(0, 2) {
        at -= *rng.pick(&LENGTHS);
    }
    if rng.chance(10) {
        at = centre + *rng.pick(&LENGTHS);
    }
    at + *rng.pick(&[0, 0, 0, 1, -1])
}

fn users(
    rng: &mut Rng,
    ids: &[String],
    user_count: usize,
    fillers: usize,
    kind: IdKind,
    instants: &[i64],
) -> Vec<UserRow> {
    let mut rows: Vec<UserRow> = (0..fillers)
        .map(|number| UserRow {
            user_id: match kind {
                IdKind::Text => format!("z{number:06}"),
                IdKind::Integer => (1_000 + number).to_string(),
            },
            ..UserRow::default()
        })
        .collect();
    // The last two ids have no row: orphans.
    for user_id in &ids[..user_count] {
        let place = rng.below(rows.len() + 1);
        let row = UserRow {
            user_id: user_id.clone(),
            columns: columns(rng, instants),
        };
        rows.insert(place, row);
    }
    for _ in 0..rng.below(3) {
        let row = UserRow {
            user_id: rng.pick(&ids[..user_count]).clone(),
            columns: columns(rng, instants),
        };
        rows.push(row);
    }
    rows
}

fn columns(rng: &mut Rng, instants: &[i64]) -> BTreeMap<String, Value> {
    let text = |text: &&str| Value::Text((*text).to_owned());
    let all = [
        ("plan", text(rng.pick(&["free", "pro", "FREE", "", "fr%e"]))),
        (
            "age",
            Value::Integer(*rng.pick(&[0, 5, 18, 42, -1, 9_007_199_254_740_993])),
        ),
        (
            "score",
            Value::Float(*rng.pick(&[
                0.0,
                0.5,
                2.5,
                5.0,
                -1.0,
                f64::NAN,
                f64::INFINITY,
                f64::NEG_INFINITY,
            ])),
        ),
        ("vip", Value::Bool(rng.chance(50))),
        ("created_at", Value::Time(*rng.pick(instants))),
        (
            "quota",
            text(rng.pick(&["5", "5.0", "12", "1e1", " 5", "x", "0", "-1"])),
        ),
        ("only_once", text(&"x")),
    ];
    let mut columns = BTreeMap::new();
    for (name, value) in all {
        if rng.chance(if name == "only_once" { 10 } else { 65 }) {
            columns.insert(name.to_owned(), value);
        }
    }
    columns
}

fn property_row(
    rng: &mut Rng,
    ids: &[String],
    number: usize,
    kind: IdKind,
    instants: &[i64],
) -> PropertyRow {
    let (name, values): (&str, &[&str]) = *rng.pick(&[
        ("industry", &["SaaS", "Retail", "saas", ""] as &[&str]),
        ("industry", &["SaaS", "Retail"]),
        ("size", &["5", "51-200", "5.0", " 5", "100", "1e2"]),
        (
            "renewed_at",
            &[
                "2026-03-01T00:00:00Z",
                "2026-02-02",
                "1970-01-01T12:00:00Z",
                "soon",
                "2026-03-04T10:30:00Z",
            ],
        ),
        ("quota", &["5", "7"]),
    ]);
    PropertyRow {
        property_id: id(kind, "p", scramble(number)),
        user_id: rng.pick(ids).clone(),
        name: name.to_owned(),
        value: if rng.chance(15) {
            None
        } else {
            Some((*rng.pick(values)).to_owned())
        },
        updated_at: if rng.chance(15) {
            None
        } else {
            Some(*rng.pick(instants))
        },
    }
}

/// What columns of doubles hold beside an event's JSON, in a world that has them: of a name that JSON
/// uses too, and NaN and infinities, which JSON has no words for.
fn event_columns(rng: &mut Rng, has_columns: bool) -> BTreeMap<String, f64> {
    let mut columns = BTreeMap::new();
    for name in ["n", "cart.total"] {
        if has_columns && rng.chance(25) {
            let value = *rng.pick(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0, 2.0, 5.0]);
            columns.insert(name.to_owned(), value);
        }
    }
    columns
}

/// Properties of an event: mostly of few types, sometimes of another, null or missing.
fn properties(rng: &mut Rng) -> Map<String, Json> {
    let mut properties = Map::new();
    let mut set = |rng: &mut Rng, name: &str, usual: &[Json], odd: &[Json]| {
        if rng.chance(60) {
            let value = if rng.chance(80) {
                rng.pick(usual)
            } else {
                rng.pick(odd)
            };
            properties.insert(name.to_owned(), value.clone());
        }
    };
    set(
        rng,
        "n",
        &[
            json!(0),
            json!(1),
            json!(2),
            json!(5),
            json!(2.5),
            json!(1.0),
            json!(-3),
        ],
        &[
            json!(9_007_199_254_740_993_i64),
            json!(0.1),
            json!(1e300),
            json!("1"),
            json!("5.0"),
            json!(true),
            Json::Null,
        ],
    );
    set(
        rng,
        "s",
        &[json!("x"), json!("xy"), json!("X"), json!("y")],
        &[
            json!(""),
            json!("é"),
            json!("x%y"),
            json!("1"),
            json!("2026-02-01"),
            json!(1),
            json!(["x"]),
            Json::Null,
        ],
    );
    set(
        rng,
        "tags",
        &[json!(["x"]), json!(["x", "y"]), json!([1, 2.0]), json!([])],
        &[
            json!([1, "x", true, null]),
            json!([["x"]]),
            json!("x"),
            json!({}),
            Json::Null,
        ],
    );
    set(
        rng,
        "cart",
        &[
            json!({"total": 5}),
            json!({"total": 2.5, "id": "x"}),
            json!({"total": 1, "deep": {"id": "y"}}),
        ],
        &[
            json!({}),
            json!({"total": null}),
            json!({"total": "5"}),
            json!(5),
            Json::Null,
        ],
    );
    set(
        rng,
        "at",
        &[
            json!("2026-03-01T00:00:00Z"),
            json!("2026-02-02"),
            json!(1_772_620_200),
            json!(1_772_620_200_000_i64),
        ],
        &[
            json!("soon"),
            json!("2026-03-04T10:30:00.000+00:00"),
            json!(1_772_620_199.5),
            json!(true),
            Json::Null,
        ],
    );
    set(
        rng,
        "ok",
        &[json!(true), json!(false)],
        &[json!("true"), json!(1), Json::Null],
    );
    set(rng, "odd name", &[json!("x"), json!(1)], &[Json::Null]);
    properties
}
