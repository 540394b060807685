//! The progress bar: one line for the file at hand, and a line that stays for each that is done.

use indicatif::{ProgressBar, ProgressStyle};
use tidelog_client::{BlobProgress, BlobStage};

const LINE: &str = "{prefix:>9} {bar:24} {bytes:>11} of {total_bytes:<11} {bytes_per_sec:>13}  {wide_msg}";

/// The bar of one file.
pub(crate) struct Bar {
    bar: ProgressBar,
    path: String,
}

impl Bar {
    pub(crate) fn of(path: &str) -> Self {
        let style = ProgressStyle::with_template(LINE).unwrap_or_else(|_| ProgressStyle::default_bar());
        // A path may hold what a terminal would obey.
        let path: String = path.chars().map(|it| if it.is_control() { '?' } else { it }).collect();
        let bar = ProgressBar::new(0).with_style(style).with_message(path.clone());
        Self { bar, path }
    }

    pub(crate) fn show(&self, progress: BlobProgress) {
        let stage = match progress.stage {
            BlobStage::Hashing => "reading",
            BlobStage::Sealing => "sealing",
            BlobStage::Sending => "sending",
            BlobStage::Receiving => "receiving",
            _ => "",
        };
        if self.bar.prefix() != stage {
            self.bar.reset();
            self.bar.set_prefix(stage);
        }
        self.bar.set_length(progress.total);
        self.bar.set_position(progress.done);
    }

    /// Puts a line in its place that stays.
    pub(crate) fn end(self, what: &str) {
        self.bar.finish_and_clear();
        println!("{what:>9} {}", self.path);
    }
}
