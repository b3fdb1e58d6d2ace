//! Compiles each `bpf/NAME.bpf.c` to `OUT_DIR/NAME.bpf.o` and generates `OUT_DIR/NAME.rs` beside it:
//! the Rust side of the C structs, so that no type is written twice.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use libbpf_cargo::SkeletonBuilder;

/// The architecture's name as libbpf's bpf_tracing.h wants it.
fn target_arch() -> String {
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets the target's architecture");
    match arch.as_str() {
        "x86_64" => "x86".into(),
        "aarch64" => "arm64".into(),
        other => panic!("bpf/kernel.h has no registers for {other} yet; add its struct pt_regs"),
    }
}

fn main() {
    println!("cargo::rerun-if-changed=bpf");
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    let clang_args = [
        format!("-D__TARGET_ARCH_{}", target_arch()),
        "-Wall".into(),
        "-Wextra".into(),
        "-Wno-unused-parameter".into(), // BPF_PROG's ctx
    ];
    for entry in fs::read_dir("bpf").expect("bpf/ holds the C sources") {
        let source = entry.expect("bpf/ can be listed").path();
        let Some(name) = source.file_name().and_then(OsStr::to_str).and_then(|file| file.strip_suffix(".bpf.c")) else {
            continue;
        };
        let object = Path::new(&out).join(format!("{name}.bpf.o"));
        let types = Path::new(&out).join(format!("{name}.rs"));
        if let Err(error) =
            SkeletonBuilder::new().source(&source).obj(&object).clang_args(&clang_args).build_and_generate(&types)
        {
            panic!("{}: {error:?}", source.display());
        }
    }
}
