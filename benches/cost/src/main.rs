//! What the gateway costs, beside nginx and a plain hyper proxy: `docs/performance.md` says how it is measured.
//!
//! Everything runs on loopback, in processes of its own that end with this one. The proxy under test has one core to itself;
//! load and upstream share another.

mod cost;
mod hold;
mod nginx;
mod plain;
mod process;
mod requests;
mod rest;
mod subjects;
mod wrk;

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use clap::{Parser, Subcommand};

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
        /// The address to listen on
        listen: SocketAddr,
        /// The base URL of the upstream
        upstream: String,
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

fn main() -> Result<()> {
    match Cli::parse().command {
        What::Cost(args) => cost::run(&args),
        What::Rest(args) => rest::run(&args),
        What::Plain { listen, upstream } => plain::run(listen, &upstream),
        What::Hold { address, count } => hold::run(address, count),
    }
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
