//! What `grow` can be asked for.

use std::path::PathBuf;

use clap::Args;

use crate::arguments::{PaceArguments, TargetArguments};

#[derive(Args, Debug)]
pub(crate) struct GrowArguments {
    /// Connections open at each step, ascending, such as 1000,10000,18000.
    #[arg(long, value_delimiter = ',', required = true)]
    pub(crate) steps: Vec<u32>,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    #[command(flatten)]
    pub(crate) pace: PaceArguments,
    /// Process of the server; its memory is reported, and as root the kernel's.
    #[arg(long)]
    pub(crate) pid: u32,
    /// Write the report to this file as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}
