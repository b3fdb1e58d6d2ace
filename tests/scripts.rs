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
