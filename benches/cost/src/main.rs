//! What the gateway costs, beside nginx and a plain hyper proxy: `docs/performance.md` says how it is measured.
//!
//! Everything runs on loopback, in processes of its own that end with this one. The proxy under test has one core to itself;
//! load and upstream share another.

mod cost;
mod disk;
mod hold;
mod metrics;
mod nginx;
mod plain;
mod process;
mod requests;
mod rest;
mod subjects;
mod table;
mod turns;
mod wrk;

use std::error::Error;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};
use patchgate_journal::nowhere::{self, Nowhere};
use patchgate_journal::storage::Storage;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[derive(Debug, Parser)]
#[command(about = "What the gateway costs, beside nginx and a plain hyper proxy", version)]
struct Cli {
    #[command(subcommand)]
    command: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// CPU per request and latency, in interleaved rounds
    Cost(cost::Args),
    /// Memory of idle connections, cold start, size of the binary
    Rest(rest::Args),
    /// The plain proxy, as `cost` starts it
    #[command(hide = true)]
    Plain {
        /// Whether it checks bodies in the usual way
        #[arg(long)]
        checks: bool,
        /// The address to listen on
        listen: SocketAddr,
        /// The base URL of the upstream
        upstream: String,
    },
    /// The gateway as it is in this program, as `cost` starts it
    #[command(hide = true)]
    Gateway {
        /// Its journal lies on a storage that drops everything
        #[arg(long)]
        drops: bool,
        /// No edit is recorded at all
        #[arg(long)]
        unrecorded: bool,
        /// What the gateway is told
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// The disk's own `fdatasync`, as `cost` starts it
    #[command(hide = true)]
    Sync {
        /// Where
        folder: PathBuf,
        /// How many bytes are appended before each
        bytes: usize,
        /// How often
        count: usize,
    },
    /// A caller with many idle connections, as `rest` starts it
    #[command(hide = true)]
    Hold {
        /// The address to connect to
        address: SocketAddr,
        /// How many connections
        count: usize,
    },
}

fn main() -> Result<ExitCode> {
    match Cli::parse().command {
        What::Cost(args) => cost::run(&args)?,
        What::Rest(args) => rest::run(&args)?,
        What::Plain { checks, listen, upstream } => plain::run(listen, &upstream, checks)?,
        What::Gateway { drops, unrecorded, arguments } => {
            if unrecorded {
                nowhere::record_nothing();
            }
            let arguments = std::iter::once("patchgate".into()).chain(arguments).collect();
            let storage = drops.then(|| Box::new(Nowhere) as Box<dyn Storage>);
            return Ok(patchgate_proxy::main_on(storage, arguments));
        }
        What::Sync { folder, bytes, count } => disk::sync(&folder, bytes, count)?,
        What::Hold { address, count } => hold::run(address, count)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The gateway's release binary: the one that is named, else built now, without the feature of the benchmark.
fn gateway(named: Option<&PathBuf>) -> Result<PathBuf> {
    if let Some(binary) = named {
        return Ok(binary.clone());
    }
    let built = Command::new("cargo")
        .args(["build", "--release", "--package", "patchgate-proxy", "--bin", "patchgate"])
        .status()?;
    if !built.success() {
        return Err("the gateway does not build".into());
    }
    let here = std::env::current_exe()?;
    let folder = here.parent().ok_or("this program lies nowhere")?;
    Ok(folder.join("patchgate"))
}
