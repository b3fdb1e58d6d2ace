//! Whose rows are shown.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args;
use clap::builder::OsStringValueParser;
use clap::builder::TypedValueParser;

use super::namespaces::parse_cgroup;

/// Whose rows to show. An empty list lets all through.
#[derive(Debug, Default, Args)]
pub struct Who {
    /// Show only these process IDs
    ///
    /// PIDs are those of the tool's own PID namespace.
    #[arg(short, long = "pid", value_name = "PID", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1 << 22))]
    pub pids: Vec<u32>,

    /// Also show the processes that those of -p start
    ///
    /// So are those that these start in turn, each from its first moment. Processes that were started before tracing
    /// began are not. With -f, -p names the processes that have these PIDs when tracing begins: another process that
    /// gets the PID later is not shown. Up to 65,536 started processes are followed at once; more are counted and
    /// reported, and are not shown.
    #[arg(short, long, requires = "pids")]
    pub follow_forks: bool,

    /// Show only processes of these users
    ///
    /// UID is a number, or a name in /etc/passwd; no other user database is read. The real user ID counts.
    #[arg(short, long = "uid", value_name = "UID", value_delimiter = ',', value_parser = OsStringValueParser::new().try_map(parse_uid))]
    pub uids: Vec<u32>,

    /// Show only threads of these names
    ///
    /// NAME is the whole name, of up to 15 bytes, as it is: without the escapes of the column COMM.
    #[arg(long = "comm", value_name = "NAME", value_delimiter = ',', value_parser = OsStringValueParser::new().try_map(parse_comm))]
    pub comms: Vec<Comm>,

    /// Show only processes in this cgroup, or below it
    ///
    /// PATH is a directory of a file system of type cgroup2. For several cgroups, give the option several times.
    #[arg(long = "cgroup", value_name = "PATH", value_parser = OsStringValueParser::new().try_map(parse_cgroup))]
    pub cgroups: Vec<PathBuf>,
}

/// The name of a thread as the kernel has it, with zeros to the end.
pub type Comm = [u8; 16];

#[expect(clippy::needless_pass_by_value, reason = "clap passes it so")]
fn parse_comm(name: OsString) -> Result<Comm, String> {
    let mut comm = Comm::default();
    let name = name.as_bytes();
    if name.is_empty() || name.len() >= comm.len() {
        return Err("the name of a thread has 1 to 15 bytes; the kernel keeps no more".into());
    }
    comm[..name.len()].copy_from_slice(name);
    Ok(comm)
}

#[expect(clippy::needless_pass_by_value, reason = "clap passes it so")]
fn parse_uid(user: OsString) -> Result<u32, String> {
    if let Some(uid) = user.to_str().and_then(|text| text.parse().ok()) {
        return Ok(uid);
    }
    let passwd = fs::read("/etc/passwd").map_err(|error| format!("/etc/passwd: {error}"))?;
    uid_of(&user, &passwd).ok_or_else(|| format!("/etc/passwd knows no user `{}`; give the number", user.display()))
}

/// The number of a user that /etc/passwd names. In bytes: nothing says how the file is encoded.
#[must_use]
pub fn uid_of(name: &OsStr, passwd: &[u8]) -> Option<u32> {
    passwd.split(|&byte| byte == b'\n').find_map(|line| {
        let mut fields = line.split(|&byte| byte == b':');
        (fields.next() == Some(name.as_bytes())).then(|| str::from_utf8(fields.nth(1)?).ok()?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_threads_are_never_cut() {
        assert_eq!(parse_comm("curl".into()), Ok(*b"curl\0\0\0\0\0\0\0\0\0\0\0\0"));
        assert_eq!(parse_comm("fifteen-bytes-x".into()), Ok(*b"fifteen-bytes-x\0"));
        assert!(parse_comm("sixteen-bytes-xy".into()).is_err());
        assert!(parse_comm("".into()).is_err());
    }

    #[test]
    fn users_come_from_passwd() {
        let passwd =
            b"root:x:0:0:root:/root:/bin/sh\nlatin:x:1000:1000:Ren\xe9:/:/bin/sh\nm\xfcller:x:1001:1001::/:/bin/sh\n\
            nobody:x:65534:65534::/:/bin/false\nbroken\n";
        let uid = |name: &[u8]| uid_of(OsStr::from_bytes(name), passwd);
        assert_eq!(uid(b"nobody"), Some(65534)); // a comment before it is not UTF-8
        assert_eq!(uid(b"m\xfcller"), Some(1001));
        assert_eq!(uid(b"nobod"), None);
        assert_eq!(uid(b"broken"), None);
        assert_eq!(uid(b""), None);
    }
}
