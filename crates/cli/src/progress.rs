//! Progress bars on standard error, and only where somebody watches.

use crate::meaning;
use crowdset::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::Mutex;

/// A bar that appears with the first report and knows its stage; silent where standard error is no
/// terminal.
pub(crate) struct Bar {
    bar: Option<ProgressBar>,
    stage: Mutex<String>,
}

impl Bar {
    /// A bar that counts `unit`s.
    pub(crate) fn new(unit: &'static str) -> Self {
        let bar = meaning::is_watched().then(|| {
            let bar = ProgressBar::new(0);
            let template = format!(
                "{{msg:<12}} {{bar:30}} {{human_pos}}/{{human_len}} {unit} {{per_sec}} {{eta}} left"
            );
            // The template is a constant of this file; a mistake in it would show the plain bar.
            bar.set_style(
                ProgressStyle::with_template(&template)
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        });
        Self {
            bar,
            stage: Mutex::new(String::new()),
        }
    }

    /// Shows how far a stage is.
    pub(crate) fn show(&self, stage: &str, done: u64, total: u64) {
        let Some(bar) = &self.bar else { return };
        let mut shown = self
            .stage
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if *shown != stage {
            stage.clone_into(&mut shown);
            bar.set_message(stage.to_owned());
            bar.reset();
        }
        bar.set_length(total.max(done));
        bar.set_position(done);
    }

    /// Shows how far a load is.
    pub(crate) fn show_load(&self, progress: &Progress) {
        self.show(
            &progress.stage.to_string(),
            progress.rows_done,
            progress.rows_total,
        );
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.finish();
    }
}
