//! The progress bar: one line for the current file, and a permanent line for each finished one.

use indicatif::{ProgressBar, ProgressStyle};
use tidelog_client::{BlobProgress, BlobStage};

const TEMPLATE: &str =
    "{prefix:>9} {bar:24} {bytes:>11} of {total_bytes:<11} {bytes_per_sec:>13}  {wide_msg}";

/// The progress bar of one file.
pub(crate) struct FileProgress {
    bar: ProgressBar,
    path: String,
}

impl FileProgress {
    pub(crate) fn new(path: &str) -> Self {
        let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
        // A path may contain control sequences of terminals.
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

    /// Replaces the bar by a permanent line.
    pub(crate) fn finish(self, action: &str) {
        self.bar.finish_and_clear();
        println!("{action:>9} {}", self.path);
    }
}
