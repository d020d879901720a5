//! Goal: what stands beside a member's id is that user's value as of the audience's instant.
//! Method: random worlds; every attribute of each, against the reference's value user by user. Types
//! that random worlds do not mix are mixed by hand.

mod support;

use crowdset::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, StringArray,
};
use crowdset::arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMillisecondType};
use crowdset::arrow::ipc::reader::{FileReader, StreamReader};
use crowdset::arrow::record_batch::RecordBatch;
use crowdset::segment::AttributeOperand;
use crowdset::{AsOf, Audience, Engine, LoadOptions, Members, Segment, Tables, Value};
use crowdset_testkit::Reference;
use crowdset_testkit::random::{Rng, segment as random_segment, world, world_among};
use std::io::Cursor;
use std::sync::Arc;
use support::{Loading, load};

const NAMES: [&str; 9] = [
    "users.plan",
    "users.age",
    "users.score",
    "users.vip",
    "users.created_at",
    "property.industry",
    "property.size",
    "number(property.size)",
    "text(users.age)",
];

/// The value at a row, as the column's type has it.
fn value(column: &dyn Array, row: usize) -> Option<Value> {
    if column.is_null(row) {
        return None;
    }
    Some(match column.data_type() {
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        DataType::Int64 => Value::Integer(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Value::Float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Value::Text(column.as_string::<i32>().value(row).to_owned()),
        DataType::Timestamp(_, Some(zone)) if &**zone == "UTC" => {
            Value::Time(column.as_primitive::<TimestampMillisecondType>().value(row))
        }
        other => panic!("a column of {other}"),
    })
}

/// What the reference's value becomes in a column of the type.
fn expected(value: Option<Value>, name: &str, data_type: &DataType) -> Option<Value> {
    let number = |value: &Value| match value {
        Value::Text(text) => crowdset_types::parse_number(text).map(|number| match number {
            crowdset_types::Number::Integer(value) => Value::Integer(value),
            crowdset_types::Number::Float(value) => Value::Float(value),
        }),
        other => Some(other.clone()),
    };
    let value = if name.starts_with("number(") {
        number(&value?)?
    } else {
        value?
    };
    Some(match (data_type, value) {
        (DataType::Float64, Value::Integer(value)) => Value::Float(value as f64),
        (DataType::Utf8, Value::Integer(value)) => Value::Text(value.to_string()),
        (DataType::Utf8, Value::Float(value)) => Value::Text(value.to_string()),
        (DataType::Utf8, Value::Array(json)) => Value::Text(json),
        (_, value) => value,
    })
}

fn id(column: &dyn Array, row: usize) -> String {
    match value(column, row) {
        Some(Value::Integer(id)) => id.to_string(),
        Some(Value::Text(id)) => id,
        other => panic!("an id {other:?}"),
    }
}

fn check(seed: u64, world: &crowdset_testkit::random::World, segment: Option<Segment>) -> usize {
    let mut rng = Rng::new(seed ^ 0x3e3b);
    let loading = *rng.pick(&[Loading::Whole, Loading::InParts(seed)]);
    let engine = Engine::in_memory();
    load(&engine, &world.data, loading);
    let reference = Reference::new(&world.data);
    let segment = segment.unwrap_or_else(|| random_segment(&mut rng, world, 2));
    let mut compared = 0;
    for &at in &world.as_of {
        let audience = engine
            .snapshot()
            .evaluate(&segment, AsOf::at(at))
            .expect("an audience");
        let members = reference.evaluate(&segment, at).expect("an answer");
        // A name that this world has not is an error, in tests of its own.
        let known: Vec<AttributeOperand> = NAMES
            .iter()
            .map(|name| name.parse().expect("an attribute"))
            .filter(|name| audience.with_attributes(std::slice::from_ref(name)).is_ok())
            .collect();
        let values: Vec<_> = known
            .iter()
            .map(|name| {
                reference
                    .attribute_values(&name.attribute, at)
                    .expect("values")
            })
            .collect();
        let mut ids = Vec::new();
        for batch in audience.with_attributes(&known).expect("a table") {
            let batch = batch.expect("a batch");
            assert!(batch.num_rows() > 0, "seed {seed}");
            for row in 0..batch.num_rows() {
                let user = id(batch.column(0), row);
                for (place, (name, values)) in known.iter().zip(&values).enumerate() {
                    let column = batch.column(place + 1);
                    let at_user = values
                        .binary_search_by(|(id, _)| world.data.user_ids.order(id, &user))
                        .expect("a user of the universe");
                    let wanted = values[at_user].1.clone();
                    let wanted = expected(wanted, &name.to_string(), column.data_type());
                    let found = value(column, row);
                    let both_nan = matches!(
                        (&found, &wanted),
                        (Some(Value::Float(left)), Some(Value::Float(right)))
                            if left.is_nan() && right.is_nan()
                    );
                    assert!(
                        found == wanted || both_nan,
                        "seed {seed}, {user}, {name}, {at}: {found:?}, not {wanted:?}"
                    );
                    compared += 1;
                }
                ids.push(user);
            }
        }
        assert_eq!(ids, members, "seed {seed}: {segment}");
    }
    compared
}

#[test]
fn agree_with_the_reference() {
    let cases = std::env::var("CROWDSET_AGREEMENT_CASES").ok();
    let cases = cases.and_then(|cases| cases.parse().ok()).unwrap_or(60);
    let compared: usize = (0..cases).map(|seed| check(seed, &world(seed), None)).sum();
    assert!(compared > 1_000, "{compared} values");
}

#[test]
fn agree_across_chunks() {
    let everyone = "everyone".parse().expect("a segment");
    assert!(check(3, &world_among(3, 40_000), Some(everyone)) > 0);
}

fn engine_with(columns: Vec<(&str, ArrayRef)>) -> Engine {
    let engine = Engine::in_memory();
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    engine
        .load(
            &Tables::default().user_batch(batch),
            &LoadOptions::default(),
        )
        .expect("users are loaded");
    engine
}

fn everyone(engine: &Engine) -> Audience {
    let everyone = "everyone".parse().expect("a segment");
    let audience = engine.snapshot().evaluate(&everyone, AsOf::now());
    audience.expect("an audience")
}

fn table(audience: &Audience, name: &str) -> Members {
    let attribute = name.parse().expect("an attribute");
    audience.with_attributes(&[attribute]).expect("a table")
}

/// Two loads, each of one type.
fn mixed(first: ArrayRef, second: ArrayRef) -> RecordBatch {
    let ids = |id: i64| Arc::new(Int64Array::from(vec![id])) as ArrayRef;
    let engine = engine_with(vec![("user_id", ids(1)), ("x", first)]);
    let more = RecordBatch::try_from_iter([("user_id", ids(2)), ("x", second)]);
    let more = Tables::default().user_batch(more.expect("a batch"));
    engine
        .load(&more, &LoadOptions::default())
        .expect("users are loaded");
    let mut batches = table(&everyone(&engine), "x");
    batches.next().expect("one batch").expect("a batch")
}

#[test]
fn an_attribute_of_several_types_is_text_and_numbers_stay_exact() {
    let integer = |value: i64| Arc::new(Int64Array::from(vec![value])) as ArrayRef;
    let float = || Arc::new(Float64Array::from(vec![2.5])) as ArrayRef;
    let found = mixed(integer(4), float());
    let floats = found.column(1).as_primitive::<Float64Type>();
    assert_eq!(floats, &Float64Array::from(vec![4.0, 2.5]));
    // No double is 2^53 + 1.
    let found = mixed(integer((1 << 53) + 1), float());
    let texts = found.column(1).as_string::<i32>();
    assert_eq!(texts, &StringArray::from(vec!["9007199254740993", "2.5"]));
    let found = mixed(integer(4), Arc::new(BooleanArray::from(vec![true])));
    let texts = found.column(1).as_string::<i32>();
    assert_eq!(texts, &StringArray::from(vec!["4", "true"]));
}

#[test]
fn names_that_are_unknown_or_stand_twice_are_errors() {
    let ids: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let plan: ArrayRef = Arc::new(StringArray::from(vec!["free"]));
    let engine = engine_with(vec![("user_id", ids), ("plan", plan)]);
    let audience = everyone(&engine);
    for (names, said_of_them) in [
        (&["pln"][..], "did you mean `plan`?"),
        (&["property.plan"], "did you mean `users.plan`?"),
        (&["plan", "plan"], "two columns `plan`"),
    ] {
        let names: Vec<AttributeOperand> = names
            .iter()
            .map(|name| name.parse().expect("an attribute"))
            .collect();
        let error = audience.with_attributes(&names).expect_err("no table");
        assert!(error.to_string().contains(said_of_them), "{error}");
    }
    let both = ["plan", "users.plan"].map(|name| name.parse().expect("an attribute"));
    assert!(audience.with_attributes(&both).is_ok());
}

#[test]
fn ids_are_the_same_in_every_form() {
    // More than one piece of work, and in another order than they came.
    let rows = 150_000_i64;
    let numbers = || (0..rows).map(|row| row * 7_919 % rows - 1_000);
    let mut sorted: Vec<i64> = numbers().collect();
    sorted.sort_unstable();
    let texts = |form: fn(i64) -> String| {
        let ids: Vec<String> = numbers().map(form).collect();
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        (Arc::new(StringArray::from(ids)) as ArrayRef, sorted)
    };
    for (ids, sorted) in [
        (
            Arc::new(Int64Array::from_iter_values(numbers())) as ArrayRef,
            sorted.iter().map(ToString::to_string).collect(),
        ),
        texts(|number| format!("{:036}", number + 1_000)),
        texts(|number| format!("é{}", number + 1_000)),
    ] {
        let few: Vec<String> = sorted.iter().step_by(1_000).cloned().collect();
        // In one load, which gives ordinals by id, and in two.
        for first in [ids.len(), 60_000] {
            let engine = engine_with(vec![("user_id", ids.slice(0, first))]);
            if first < ids.len() {
                let others = ids.slice(first, ids.len() - first);
                let others = RecordBatch::try_from_iter([("user_id", others)]).expect("a column");
                engine.append_users(&others).expect("users are loaded");
            }
            let is_in_order = engine.snapshot().stats().users.rank_bytes == 0;
            assert_eq!(is_in_order, first == ids.len());
            check_ids(&everyone(&engine), ids.data_type(), &sorted);
            engine.save_list("few", &few).expect("a list");
            let segment: Segment = "list('few')".parse().expect("a segment");
            let audience = engine.snapshot().evaluate(&segment, AsOf::now());
            check_ids(&audience.expect("an audience"), ids.data_type(), &few);
        }
    }
}

/// Whether an audience has these ids, in this order, whatever they are asked for as.
fn check_ids(audience: &Audience, data_type: &DataType, sorted: &[String]) {
    assert!(audience.iter().eq(sorted.iter()));
    let mut lines = Vec::new();
    audience.write_lines(&mut lines).expect("lines");
    assert!(lines == (sorted.join("\n") + "\n").as_bytes());
    let whole = audience.user_ids();
    assert_eq!(whole.data_type(), data_type);
    let ids = |column: ArrayRef| (0..column.len()).map(move |row| id(&column, row));
    assert!(ids(whole).eq(sorted.iter().cloned()));
    let batches = audience.members().map(|batch| batch.expect("a batch"));
    let in_batches = batches.flat_map(|batch| ids(Arc::clone(batch.column(0))));
    assert!(in_batches.eq(sorted.iter().cloned()));
}

#[test]
fn batches_of_long_texts_are_short_and_nobody_is_left_out() {
    let (rows, long) = (70_000, 100);
    let text = "x".repeat(1_100_000);
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    let texts = (0..rows).map(|row| (row < long).then_some(text.as_str()));
    let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
    let engine = engine_with(vec![("user_id", ids), ("x", texts)]);
    let mut next = 0;
    for batch in table(&everyone(&engine), "x") {
        let batch = batch.expect("a batch");
        let (ids, texts) = (
            batch.column(0).as_primitive::<Int64Type>(),
            batch.column(1).as_string::<i32>(),
        );
        assert!(texts.values().len() < 80 << 20);
        for (id, found) in ids.iter().zip(texts) {
            assert_eq!(id, Some(next));
            assert!(found == (next < long).then_some(text.as_str()), "{next}");
            next += 1;
        }
    }
    assert_eq!(next, rows);
}

#[test]
fn files_hold_what_the_batches_hold() {
    let rows = 150_000;
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    let text: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..rows).map(|row| format!("text {}", row % 7)),
    ));
    let engine = engine_with(vec![("user_id", ids), ("x", text)]);
    let audience = everyone(&engine);
    let batches: Vec<RecordBatch> = table(&audience, "x")
        .collect::<Result<_, _>>()
        .expect("batches");
    assert_eq!(batches.len(), 3);
    let (mut file, mut stream) = (Vec::new(), Vec::new());
    table(&audience, "x")
        .write_arrow_file(&mut file)
        .expect("a file");
    table(&audience, "x")
        .write_arrow_stream(&mut stream)
        .expect("a stream");
    let file = FileReader::try_new(Cursor::new(file), None).expect("a file");
    assert!(
        file.map(|batch| batch.expect("a batch"))
            .eq(batches.iter().cloned())
    );
    let stream = StreamReader::try_new(Cursor::new(stream), None).expect("a stream");
    assert!(stream.map(|batch| batch.expect("a batch")).eq(batches));

    let mut bytes = Vec::new();
    let ids = audience.to_roaring().expect("integer ids");
    ids.write(&mut bytes).expect("bytes");
    let bitmap = roaring::RoaringBitmap::deserialize_from(&bytes[..]).expect("a bitmap");
    assert!(bitmap.iter().map(i64::from).eq(0..rows));
}
