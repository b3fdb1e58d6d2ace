//! Compiles each `bpf/NAME.bpf.c` to `OUT_DIR/NAME.bpf.o` and generates `OUT_DIR/NAME.rs` beside it:
//! the Rust side of the C structs, so that no type is written twice.
//!
//! Also refuses to build what would not be static: whatever replaces the flags of `.cargo/config.toml` does so in silence.

#[path = "build/line_info.rs"]
mod line_info;

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use libbpf_cargo::SkeletonBuilder;

/// What went wrong, as it is told: one line, with the remedy.
type Told<T> = Result<T, String>;

fn main() {
    // cargo takes this for a failed build; to panic would bury the words in its account of this program
    if let Err(message) = build() {
        message.lines().for_each(|line| println!("cargo::error={line}"));
    }
}

fn build() -> Told<()> {
    let out = PathBuf::from(cargo_says("OUT_DIR")?);
    demand_static()?;
    mind_the_wrapper();
    rerun_when_clang_changes()?;
    println!("cargo::rerun-if-changed=bpf");
    let clang_args = clang_args()?;
    for source in sources().map_err(|error| format!("cannot list bpf/: {error}"))? {
        compile(&source, &out, &clang_args)?;
    }
    Ok(())
}

fn cargo_says(name: &str) -> Told<String> {
    env::var(name).map_err(|_| format!("{name} is not set; this is run by cargo"))
}

/// Flags come from one place only: RUSTFLAGS replaces those of the configuration, and `cargo install --git` reads none.
fn demand_static() -> Told<()> {
    println!("cargo::rerun-if-env-changed=BPFTOOLS_DYNAMIC");
    if env::var_os("BPFTOOLS_DYNAMIC").is_some_and(|value| value == "1") {
        return Ok(());
    }
    if cargo_says("CARGO_CFG_TARGET_FEATURE").is_ok_and(|features| features.split(',').any(|one| one == "crt-static")) {
        return Ok(());
    }
    let remedy = match env::var("CARGO_ENCODED_RUSTFLAGS") {
        Ok(flags) if !flags.is_empty() => {
            "RUSTFLAGS replaces the flags of .cargo/config.toml; add `-C target-feature=+crt-static` to it"
        }
        _ => "cargo did not read .cargo/config.toml; run it inside a checkout (`cargo install --path .`)",
    };
    Err(format!("the binary would not be static: {remedy}"))
}

/// The binary is right with another wrapper, but names this machine's folders.
fn mind_the_wrapper() {
    println!("cargo::rerun-if-env-changed=RUSTC_WRAPPER");
    let wrapper = env::var_os("RUSTC_WRAPPER").unwrap_or_default();
    if !Path::new(&wrapper).ends_with("scripts/rustc") {
        println!(
            "cargo::warning=RUSTC_WRAPPER={} replaces scripts/rustc: \
             the binary will hold paths of this machine, and not be the same elsewhere",
            wrapper.display()
        );
    }
}

/// cargo compares times of modification, and a package's files bring theirs along from the day it was made. The folder's
/// own time says when one of them was replaced: of the folder where `clang` is found, and where a link leads.
fn rerun_when_clang_changes() -> Told<()> {
    let path = env::var_os("PATH").unwrap_or_default();
    let clang = env::split_paths(&path).map(|folder| folder.join("clang")).find(|clang| clang.is_file());
    let clang = clang.ok_or("no clang in PATH; `make setup` installs what building needs")?;
    for file in [fs::canonicalize(&clang).ok(), Some(clang)].into_iter().flatten() {
        if let Some(folder) = file.parent() {
            println!("cargo::rerun-if-changed={}", folder.display());
        }
    }
    Ok(())
}

fn clang_args() -> Told<Vec<String>> {
    let here = cargo_says("CARGO_MANIFEST_DIR")?;
    Ok(vec![
        format!("-D__TARGET_ARCH_{}", target_arch()?),
        // the source's lines go into the object, each with its file's name
        format!("-ffile-prefix-map={here}=."),
        "-Wall".into(),
        "-Wextra".into(),
        "-Wno-unused-parameter".into(), // BPF_PROG's ctx
        "-Werror=padded".into(),        // user space takes structs for any bytes
    ])
}

/// The architecture's name as libbpf's bpf_tracing.h wants it.
fn target_arch() -> Told<&'static str> {
    match cargo_says("CARGO_CFG_TARGET_ARCH")?.as_str() {
        "x86_64" => Ok("x86"),
        "aarch64" => Ok("arm64"),
        other => Err(format!("bpf/kernel.h has no registers for {other}; add its struct pt_regs")),
    }
}

/// Sorted, so that errors and warnings come in the same order everywhere.
fn sources() -> io::Result<Vec<PathBuf>> {
    let mut sources = fs::read_dir("bpf")?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    sources.retain(|source| source.to_str().is_some_and(|path| path.ends_with(".bpf.c")));
    sources.sort_unstable();
    Ok(sources)
}

/// Of the generated skeleton only what its module `types` has is of use: some 10 % of it.
fn keep_types(generated: &Path) -> io::Result<()> {
    const BEFORE: &str = "use super::*;";
    let skeleton = fs::read_to_string(generated)?;
    let types = skeleton.split_once("pub mod types {").and_then(|(_, rest)| rest.split_once(BEFORE));
    let (_, types) = types.ok_or_else(|| io::Error::other("it has no module `types`"))?;
    let mut depth = 0;
    let end = types.find(|character| {
        depth += i32::from(character == '{') - i32::from(character == '}');
        depth < 0
    });
    fs::write(generated, &types[..end.unwrap_or(types.len())])
}

/// A debug build keeps its lines for the verifier's log.
fn strip_release(object: &Path) -> io::Result<()> {
    if env::var_os("PROFILE").is_none_or(|profile| profile != "release") {
        return Ok(());
    }
    let stripped = line_info::strip(&fs::read(object)?).ok_or(io::ErrorKind::InvalidData)?;
    fs::write(object, stripped)
}

/// A warning of clang is an error where CI is set, and else a warning of cargo's. libbpf-cargo
/// keeps what a successful clang prints to itself: hence strictly first, and leniently if that fails.
fn compile(source: &Path, out: &Path, clang_args: &[String]) -> Told<()> {
    println!("cargo::rerun-if-env-changed=CI");
    let name = source.file_name().and_then(OsStr::to_str).and_then(|file| file.strip_suffix(".bpf.c"));
    let name = name.ok_or_else(|| format!("{} is no name for a source", source.display()))?;
    let generated = out.join(format!("{name}.rs"));
    let object = out.join(format!("{name}.bpf.o"));
    let build = |more: &[&str]| {
        SkeletonBuilder::new()
            .source(source)
            .obj(&object)
            .clang_args(clang_args.iter().map(String::as_str).chain(more.iter().copied()))
            .build_and_generate(&generated)
            .map_err(|error| match error.root_cause() {
                unspecific if unspecific.is::<io::Error>() => format!("{}: {error:#}", source.display()),
                clangs_words => format!("{}: {clangs_words}", source.display()),
            })
    };
    let keep = || {
        keep_types(&generated).map_err(|error| format!("{}: {error}", generated.display()))?;
        strip_release(&object).map_err(|error| format!("{}: {error}", object.display()))
    };
    let Err(complaint) = build(&["-Werror"]) else { return keep() };
    if env::var_os("CI").is_some() {
        return Err(complaint);
    }
    build(&[])?;
    keep()?;
    complaint.lines().for_each(|line| println!("cargo::warning={line}"));
    Ok(())
}
