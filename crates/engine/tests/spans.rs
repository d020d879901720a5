//! What a host that listens is told: spans for the steps, an event for every node.

use crowdset::{AsOf, Engine, LoadOptions, Segment, Tables};
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps the names of spans and the fields of events about nodes.
#[derive(Clone, Default)]
struct Listener {
    spans: Arc<Mutex<Vec<String>>>,
    nodes: Arc<Mutex<Vec<Fields>>>,
}

#[derive(Default)]
struct Fields(Vec<(String, String)>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push((field.name().to_owned(), format!("{value:?}")));
    }
}

impl Fields {
    fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map_or("", |(_, value)| value)
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("crowdset")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut spans = self.spans.lock().unwrap();
        spans.push(span.metadata().name().to_owned());
        Id::from_u64(spans.len() as u64)
    }

    fn event(&self, event: &Event<'_>) {
        if event.metadata().target() == "crowdset::node" {
            let mut fields = Fields::default();
            event.record(&mut fields);
            self.nodes.lock().unwrap().push(fields);
        }
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn a_host_that_listens_sees_steps_and_nodes() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/online-retail");
    let dir = tempfile::tempdir().unwrap();
    let listener = Listener::default();
    let segment: Segment = "country = 'France' and count(order_placed, last 90 days) >= 2"
        .parse()
        .unwrap();
    let as_of: AsOf = "2011-12-10".parse().unwrap();
    let counted = tracing::subscriber::with_default(listener.clone(), || {
        let engine = Engine::open(dir.path().join("store")).unwrap();
        let tables = Tables::default()
            .users(root.join("users.parquet"))
            .user_properties(root.join("user_properties.parquet"))
            .events(root.join("events"));
        engine.load(&tables, &LoadOptions::default()).unwrap();
        let snapshot = engine.snapshot();
        let counted = snapshot.count(&segment, as_of).unwrap();
        assert_eq!(
            snapshot.evaluate(&segment, as_of).unwrap().len() as u64,
            counted
        );
        counted
    });

    let spans = listener.spans.lock().unwrap();
    for step in ["open", "load", "plan", "count", "evaluate"] {
        assert!(spans.iter().any(|span| span == step), "{step}: {spans:?}");
    }
    let nodes = listener.nodes.lock().unwrap();
    let told = |text: &str| nodes.iter().find(|node| node.get("text").contains(text));
    let root = told("and").expect("the whole plan");
    assert_eq!(root.get("answered_by"), "algebra");
    assert_eq!(root.get("users"), counted.to_string());
    let scan = told("count(order_placed").expect("the count");
    assert_eq!(scan.get("answered_by"), "scan");
    assert_ne!(scan.get("rows"), "0");
    assert_ne!(scan.get("nanos"), "0");
}
