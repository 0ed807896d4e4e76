//! Numbers for people, and the same for programs.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::Context;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde::Serialize;

/// Writes a report as JSON.
pub(crate) fn write_json(path: &Path, report: &impl Serialize) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("writing {}", path.display()))?;
    let mut file = BufWriter::new(file);
    serde_json::to_writer_pretty(&mut file, report)?;
    writeln!(file)?;
    Ok(file.flush()?)
}

/// Bytes with a unit, and a sign where they have become fewer.
pub(crate) fn bytes(count: i64) -> String {
    let sign = if count < 0 { "-" } else { "" };
    format!("{sign}{}", HumanBytes(count.unsigned_abs()))
}

/// `total / count`; 0 for nothing.
pub(crate) fn per(total: i64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { total as f64 / count as f64 }
}

/// `after - before`, signed.
pub(crate) fn growth(after: u64, before: u64) -> i64 {
    i64::try_from(i128::from(after) - i128::from(before)).unwrap_or(i64::MAX)
}

/// A progress bar on the terminal; silent where standard error is none.
pub(crate) fn progress(what: &'static str, count: u64) -> ProgressBar {
    let bar = ProgressBar::new(count);
    if let Ok(style) =
        ProgressStyle::with_template("{msg:>8} {wide_bar} {human_pos}/{human_len} {per_sec} {elapsed}")
    {
        bar.set_style(style);
    }
    bar.with_message(what)
}
