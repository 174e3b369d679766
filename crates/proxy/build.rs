//! Lists the schemas that ship with the gateway, so that no code has to name one; and finds out what is built, from what.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    schemas()?;
    println!("cargo::rustc-env=BUILD_TARGET={}", env::var("TARGET").unwrap_or_else(|_| "unknown".to_owned()));
    println!("cargo::rustc-env=BUILD_COMMIT={}", commit().unwrap_or_else(|| "unknown".to_owned()));
    Ok(())
}

fn schemas() -> io::Result<()> {
    let folder = Path::new("../../schemas").canonicalize()?;
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<PathBuf> =
        fs::read_dir(&folder)?.map(|entry| entry.map(|e| e.path())).collect::<io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|e| e == "json"));
    files.sort_by(|one, other| one.file_stem().cmp(&other.file_stem()));
    let mut code = String::from("&[\n");
    for file in &files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        // Writing to a string does not fail.
        _ = writeln!(code, "    ({name:?}, include_bytes!({:?})),", file.display().to_string());
    }
    code.push_str("]\n");
    let out = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    fs::write(out.join("shipped.rs"), code)
}

/// The commit that is built: what `SOURCE_COMMIT` says, for builds without a repository, else what git says. A build without
/// either is none the worse.
fn commit() -> Option<String> {
    println!("cargo::rerun-if-env-changed=SOURCE_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    let plain = |text: &str| {
        (!text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric())).then(|| text.to_owned())
    };
    if let Some(told) = env::var("SOURCE_COMMIT").ok().as_deref().and_then(plain) {
        return Some(told);
    }
    // The log of HEAD grows with each commit and checkout.
    for name in ["HEAD", "logs/HEAD"] {
        let file = git(&["rev-parse", "--git-path", name])?;
        if Path::new(&file).exists() {
            println!("cargo::rerun-if-changed={file}");
        }
    }
    plain(&git(&["rev-parse", "--short=12", "HEAD"])?)
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
