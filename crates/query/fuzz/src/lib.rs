//! What must hold of whatever is read as a segment, however it was written.

use crowdset_query::{Segment, SegmentError};

/// Text, or JSON where it begins with `{`.
pub fn text_laws(text: &str) {
    match text.parse::<Segment>() {
        Ok(segment) => segment_laws(&segment),
        Err(error) => error_laws(text, &error),
    }
}

/// A value of JSON, which is held to its own depth and not to that of any text.
pub fn json_laws(bytes: &[u8]) {
    let Ok(json) = serde_json::from_slice(bytes) else {
        return;
    };
    match Segment::from_json(&json) {
        Ok(segment) => segment_laws(&segment),
        Err(error) => error_laws("", &error),
    }
}

/// Text, JSON and tree say the same, and canonical text is its own.
fn segment_laws(segment: &Segment) {
    let text = segment.to_string();
    let read: Segment = match text.parse() {
        Ok(read) => read,
        Err(error) => panic!("what is printed is not read: {error}"),
    };
    assert_eq!(&read, segment, "text: {text}");
    assert_eq!(read.to_string(), text, "canonical text");
    let json = segment.to_json();
    assert_eq!(Segment::from_json(&json).as_ref(), Ok(segment), "{json}");
    let written = json.to_string();
    assert_eq!(written.parse::<Segment>().as_ref(), Ok(segment), "{written}");
}

/// Something is wrong, and where it is said to be lies in the text.
fn error_laws(text: &str, error: &SegmentError) {
    let diagnostics = &error.diagnostics;
    assert!(!diagnostics.is_empty());
    for diagnostic in diagnostics {
        assert!(!diagnostic.message.is_empty());
        let suggested = diagnostic.suggestion.as_ref().map(|suggestion| suggestion.span);
        for span in [diagnostic.span, suggested].into_iter().flatten() {
            let span = span.start as usize..span.end as usize;
            assert!(text.get(span.clone()).is_some(), "{span:?} of {text:?}: {diagnostic:?}");
        }
    }
    // Long or strange texts must not make long or broken messages.
    let told = error.to_string();
    assert!(told.len() < 20_000 + 200 * diagnostics.len(), "{} bytes", told.len());
}
