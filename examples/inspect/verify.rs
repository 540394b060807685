//! The evidence against the server, if there is any.

use serde::Serialize;
use tidelog_client::{Evidence, VerifyReport};

use crate::columns::{Column, Style};
use crate::error::Result;
use crate::log::Log;
use crate::output::Output;

const COLUMNS: [Column; 3] = [Column::Left("STREAM"), Column::Right("ENTRIES"), Column::Right("NEWEST SEQ")];

/// A report, with field names that scripts can rely on.
#[derive(Serialize)]
pub(crate) struct Report {
    clean: bool,
    entries: u64,
    rows: u64,
    /// One for each installation that has written.
    streams: Vec<Stream>,
    heads_checked: u64,
    heads_unchecked: u64,
    quarantined_count: u64,
    compacted_through: i64,
    evidence: Vec<EvidenceItem>,
}

#[derive(Serialize)]
struct Stream {
    stream: String,
    entries: u64,
    newest_seq: i64,
}

#[derive(Serialize)]
struct EvidenceItem {
    kind: &'static str,
    /// A description for people.
    text: String,
}

#[derive(Serialize)]
struct Verified<'r> {
    verify: &'r Report,
}

/// `verify`
pub(crate) async fn run(log: &Log<'_>, style: Style) -> Result<Output> {
    let report = Report::from(log.verify().await?);
    let output = Output::new(&Verified { verify: &report }, show(&report, style))?;
    Ok(output.with_evidence(!report.clean))
}

impl Report {
    pub(crate) fn is_clean(&self) -> bool {
        self.clean
    }
}

impl From<VerifyReport> for Report {
    fn from(report: VerifyReport) -> Self {
        let streams = report.streams.iter().map(|found| Stream {
            stream: found.stream.to_string(),
            entries: found.entries,
            newest_seq: found.newest_seq,
        });
        let evidence =
            report.evidence.iter().map(|found| EvidenceItem { kind: kind(found), text: found.to_string() });
        Self {
            clean: report.is_clean(),
            entries: report.entries,
            rows: report.rows,
            streams: streams.collect(),
            heads_checked: report.heads_checked,
            heads_unchecked: report.heads_unchecked,
            quarantined_count: report.quarantined_count,
            compacted_through: report.compacted_through,
            evidence: evidence.collect(),
        }
    }
}

fn kind(evidence: &Evidence) -> &'static str {
    match evidence {
        Evidence::Missing { .. } => "missing",
        Evidence::Forked { .. } => "forked",
        Evidence::Withheld { .. } => "withheld",
        Evidence::OtherPast { .. } => "other_past",
        Evidence::Replaced { .. } => "replaced",
        Evidence::Disordered { .. } => "disordered",
        Evidence::Altered { .. } => "altered",
        _ => "other",
    }
}

/// The report for people, with the result first.
pub(crate) fn show(report: &Report, style: Style) -> String {
    let mut shown = String::new();
    if report.clean {
        shown += "No evidence against the server. (It cannot be detected whether the server withholds the newest entries.)\n";
    } else {
        shown += &style.heading(&format!("Evidence against the server: {}", report.evidence.len()));
        shown.extend(
            report.evidence.iter().map(|piece| style.line(&format!("  {}: {}", piece.kind, piece.text))),
        );
    }
    shown += "\n";
    shown += &style.pairs(&[
        ("entries", report.entries.to_string()),
        ("rows", report.rows.to_string()),
        ("quarantined", report.quarantined_count.to_string()),
        ("heads", format!("{} checked, {} not comparable", report.heads_checked, report.heads_unchecked)),
        (
            "compacted",
            if report.compacted_through == 0 {
                "never".into()
            } else {
                format!("up to seq {}", report.compacted_through)
            },
        ),
    ]);
    shown += "\n";
    let row =
        |found: &Stream| vec![found.stream.clone(), found.entries.to_string(), found.newest_seq.to_string()];
    shown + &style.table(&COLUMNS, report.streams.iter().map(row))
}
