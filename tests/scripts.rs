//! What make and CI rely on, as far as it can be tried without a build: by stand-ins for the programs that it calls.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// A folder of this test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("scripts-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.file(name, &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// `benches/guard`, where a figure of 6.1.0-1 is held to what was measured on `kernel`.
fn guard(figure: &str, lines: &str, kernel: &str) -> Output {
    let folder = Folder::new();
    let figures = folder.file("figures", &format!("# made up\nkernel 6.1.0-1\nclang 14\n{figure}\n"));
    let lines = folder.file("lines", lines);
    Command::new("benches/guard")
        .current_dir(HERE)
        .args(["-v", &format!("kernel={kernel}"), "-v", "clang=14"])
        .args([figures, lines])
        .output()
        .unwrap()
}

/// `overhead instructions` prints it so.
fn measured(added: u32) -> String {
    format!("tcpconnect fentry refused/ipv4 28000 {added} 200 1.0 0 300 9000\n")
}

#[test]
fn the_instruction_guard_guards_on_every_kernel() {
    let figure = "tcpconnect fentry refused/ipv4 1000";
    for (added, kernel, passes) in [
        (1000, "6.1.0-1", true),
        (1100, "6.1.0-1", true),
        (1101, "6.1.0-1", false),
        (1101, "6.1.0-2", true),
        (1200, "6.1.0-2", true),
        (1201, "6.1.0-2", false),
    ] {
        let output = guard(figure, &measured(added), kernel);
        let text = both(&output);
        assert_eq!(output.status.success(), passes, "{added} on {kernel}: {text}");
        assert_eq!(text.contains("WARNING"), kernel == "6.1.0-2", "{text}");
        assert_eq!(text.contains("FAILED"), !passes, "{text}");
    }
}

#[test]
fn the_instruction_guard_passes_nothing_that_it_cannot_compare() {
    let figure = "tcpconnect fentry refused/ipv4 1000";
    for (figure, lines) in [
        (figure, String::new()),
        ("", measured(1000)),
        ("", String::new()),
        ("tcpconnect kprobe refused/ipv4 1000", measured(1000)),
        (figure, format!("# skipped: fentry does not work\n{}", measured(1000))),
    ] {
        let output = guard(figure, &lines, "6.1.0-1");
        assert_eq!(output.status.code(), Some(1), "{figure:?}, {lines:?}: {}", both(&output));
    }
}

/// Where cargo builds is not for make to guess: CARGO_BUILD_TARGET moves it, for one.
#[test]
fn make_links_what_cargo_says_that_it_built() {
    let folder = Folder::new();
    let target = folder.0.join("target");
    let built = target.join("some-target/release/bpftools");
    fs::create_dir_all(built.parent().unwrap()).unwrap();
    fs::write(&built, "").unwrap();
    let message = format!(
        r#"{{"reason":"compiler-artifact","target":{{"kind":["bin"],"name":"bpftools"}},"executable":"{}"}}"#,
        built.display()
    );
    folder.program(
        "cargo",
        &format!("echo '{{\"reason\":\"compiler-artifact\",\"executable\":null}}'; echo '{message}'"),
    );
    let make = || {
        let path = format!("{}:{}", folder.0.display(), std::env::var("PATH").unwrap());
        Command::new("make")
            .current_dir(HERE)
            .args(["-s", "all", &format!("target={}", target.display())])
            .env("PATH", path)
            .env_remove("MAKEFLAGS")
            .output()
            .unwrap()
    };
    let output = make();
    assert!(output.status.success(), "{}", both(&output));
    assert_eq!(target.join("bpftools").canonicalize().unwrap(), built.canonicalize().unwrap());

    fs::remove_file(target.join("bpftools")).unwrap();
    folder.program("cargo", "echo 'it does not compile' >&2; exit 101");
    assert!(!make().status.success());
    assert!(target.join("bpftools").symlink_metadata().is_err());
}

/// The paths of a crate's sources, and of what its build script wrote, are the same for everyone.
#[test]
fn the_wrapper_of_rustc_names_no_folder_of_this_machine() {
    let folder = Folder::new();
    folder.program(
        "rustc",
        &format!(
            "case $* in '--print sysroot') echo {} ;; -vV) echo 'commit-hash: abc' ;; *) printf '%s\\n' \"$@\" ;; esac",
            folder.0.display()
        ),
    );
    let wrapper = |primary: bool| {
        let mut command = Command::new("scripts/rustc");
        command.current_dir(HERE).arg(folder.0.join("rustc")).args(["src/lib.rs", "a b"]);
        command.env("CARGO_MANIFEST_DIR", "/home/me/a b").env("OUT_DIR", "/home/me/target/out");
        command.env("CARGO_PKG_NAME", "one").env("CARGO_PKG_VERSION", "1.2.3").env_remove("CARGO_PRIMARY_PACKAGE");
        if primary {
            command.env("CARGO_PRIMARY_PACKAGE", "1");
        }
        both(&command.output().unwrap())
    };
    let out = "--remap-path-prefix=/home/me/target/out=one-1.2.3/out\n";
    assert_eq!(wrapper(true), format!("src/lib.rs\na b\n{out}"));
    let of_crate = format!("src/lib.rs\na b\n--remap-path-prefix=/home/me/a b=one-1.2.3\n{out}");
    assert_eq!(wrapper(false), of_crate);

    let library = folder.0.join("lib/rustlib/src/rust");
    fs::create_dir_all(&library).unwrap();
    assert_eq!(wrapper(false), format!("{of_crate}--remap-path-prefix={}=/rustc/abc\n", library.display()));
}

#[test]
fn setup_check_installs_nothing_and_says_what_is_missing() {
    let folder = Folder::new();
    for here in ["bash", "sh", "id", "stat", "dirname", "gcc", "cargo", "rustc", "cut", "sed", "sort", "head", "uname"]
    {
        let found =
            std::env::split_paths(&std::env::var_os("PATH").unwrap()).map(|dir| dir.join(here)).find(|at| at.exists());
        std::os::unix::fs::symlink(found.unwrap(), folder.0.join(here)).unwrap();
    }
    for manager in ["apt-get", "dnf", "pacman", "sudo", "env"] {
        folder.program(manager, &format!("echo installed >>{}/installed", folder.0.display()));
    }
    let setup = |args: &[&str]| {
        Command::new(folder.0.join("bash"))
            .current_dir(HERE)
            .arg("scripts/setup")
            .args(args)
            .env("PATH", &folder.0)
            .env("HOME", &folder.0)
            .env_remove("SUDO_UID")
            .output()
            .unwrap()
    };
    let output = setup(&["--check", "test"]);
    assert_eq!(output.status.code(), Some(1), "{}", both(&output));
    for missing in ["clang", "shellcheck"] {
        assert!(both(&output).contains(missing), "{}", both(&output));
    }
    assert!(!both(&setup(&["--check"])).contains("shellcheck"));
    assert!(!folder.0.join("installed").exists());
}

/// build.rs as cargo would run it, over a made-up bpf/ with two sources, each with `body`.
fn build_script(folder: &Folder, body: &str, environment: &[(&str, &str)]) -> String {
    // target/TRIPLE/tmp; what runs on the machine that builds is two levels up from there
    let folders = Path::new(env!("CARGO_TARGET_TMPDIR")).ancestors().skip(1).take(2);
    let newest = folders
        .flat_map(|folder| ["debug/build", "release/build"].map(|build| folder.join(build)))
        .filter_map(|build| build.read_dir().ok())
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("bpftools-"))
        .filter_map(|path| Some((fs::metadata(path.join("build-script-build")).ok()?.modified().unwrap(), path)))
        .max();
    let script = newest.expect("cargo has compiled build.rs to come here").1.join("build-script-build");
    fs::create_dir_all(folder.0.join("bpf")).unwrap();
    for name in ["bpf/one.bpf.c", "bpf/two.bpf.c"] {
        let source = r#"
            __attribute__((section("license"), used)) char LICENSE[] = "GPL";
            __attribute__((section("tracepoint/a/b"), used)) int program(void *ctx) "#;
        folder.file(name, &format!("{source}{{ {body} }}\n"));
    }
    let output = Command::new(script)
        .current_dir(&folder.0)
        .env_remove("CI")
        .env_remove("BPFTOOLS_DYNAMIC")
        .env("OUT_DIR", &folder.0)
        .env("CARGO_MANIFEST_DIR", &folder.0)
        .env("CARGO_CFG_TARGET_ARCH", "x86_64")
        .env("CARGO_CFG_TARGET_FEATURE", "crt-static,fxsr")
        .env("RUSTC_WRAPPER", "/somewhere/scripts/rustc")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_build_is_static_or_fails_in_words() {
    let folder = Folder::new();
    let dynamic = ("CARGO_CFG_TARGET_FEATURE", "fxsr");
    for (flags, remedy) in [("-Copt-level=1", "add `-C target-feature=+crt-static`"), ("", "cargo install --path .")] {
        let told = build_script(&folder, "return 0;", &[dynamic, ("CARGO_ENCODED_RUSTFLAGS", flags)]);
        let errors: Vec<&str> = told.lines().filter(|line| line.starts_with("cargo::error=")).collect();
        assert!(errors.len() == 1 && errors[0].contains("not be static") && errors[0].contains(remedy), "{told}");
    }
    for environment in [&[][..], &[dynamic, ("BPFTOOLS_DYNAMIC", "1")]] {
        let told = build_script(&folder, "return 0;", environment);
        assert!(!told.contains("cargo::error") && !told.contains("cargo::warning"), "{told}");
        let object = fs::read(folder.0.join("two.bpf.o")).unwrap();
        let named = |path: &str| object.windows(path.len()).any(|window| window == path.as_bytes());
        assert!(named("./bpf/two.bpf.c") && !named(env!("CARGO_MANIFEST_DIR")));
        fs::remove_file(folder.0.join("two.bpf.o")).unwrap();
    }
    let told = build_script(&folder, "return 0;", &[("RUSTC_WRAPPER", "sccache")]);
    assert!(told.contains("cargo::warning=RUSTC_WRAPPER=sccache replaces scripts/rustc"), "{told}");
}

#[test]
fn what_clang_warns_of_is_shown_and_fails_ci() {
    let folder = Folder::new();
    let body = "int left_over = 1; return 0;";
    for (environment, kind) in [(&[][..], "cargo::warning="), (&[("CI", "true")], "cargo::error=")] {
        let told = build_script(&folder, body, environment);
        let lines: Vec<&str> = told.lines().filter(|line| line.contains("left_over'")).collect();
        assert!(!lines.is_empty() && lines.iter().all(|line| line.starts_with(kind)), "{told}");
        assert!(lines[0].starts_with(&format!("{kind}bpf/one.bpf.c: ")), "{told}");
    }
}
