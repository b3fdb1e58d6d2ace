//! Who did something, and when, as told by the process itself.

use serde::Deserialize;
use serde::Serialize;

/// One instant on the two clocks that matter: events are stamped with boot time, shown as wall time.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Moment {
    pub boot_ns: u64,
    pub real_ns: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Thread {
    Known {
        tid: u32,
        comm: Vec<u8>,
    },
    /// A thread of the process that the process itself cannot name: io_uring's worker.
    #[default]
    Worker,
    /// A kernel thread; even the process is then not ours. Found by its destination.
    Kernel,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Doer {
    pub case: String,
    pub pid: u32,
    pub thread: Thread,
    pub uid: u32,
    /// In a PID namespace of its own.
    pub nested: bool,
    /// Absent on a machine without a cgroup2 mount.
    pub cgroup_id: Option<u64>,
    /// It was done between these two.
    pub began: Moment,
    pub returned: Moment,
}
