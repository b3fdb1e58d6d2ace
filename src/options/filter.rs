//! Which rows the user wants and what of them, as the kernel side reads it: struct filter of bpf/filter.h.

use std::ops::RangeInclusive;

use libbpf_rs::MapCore;
use libbpf_rs::MapFlags;
use libbpf_rs::Object;
use libbpf_rs::OpenObject;

use crate::backends::Form;
use crate::fields::Show;
use crate::kernel;
use crate::kernel::PidNamespace;
use crate::kernel::maps;
use crate::options::Who;

/// Which rows to show; what is empty lets all through.
#[derive(Debug, Clone, Default)]
pub struct Filter<'a> {
    pub who: Option<&'a Who>,
    pub ports: &'a [RangeInclusive<u16>],
    pub ip: Option<Ip>,
}

/// An IP version, the number that the kernel side and the IP column use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Ip {
    V4 = 4,
    V6 = 6,
}

/// struct filter, field by field.
#[repr(C)]
struct Constants {
    ports: [u64; 65536 / 64],
    pidns_dev: u64,
    pidns_ino: u64,
    by_port: u8,
    by_pid: u8,
    by_uid: u8,
    ip: u8,
    may_copy: u8,
    sees_nested: u8,
    show_time: u8,
    show_uid: u8,
    show_cgroup: u8,
    unused: [u8; 7],
}

impl Filter<'_> {
    /// Sets the constants and the sizes of the sets, before load.
    ///
    /// # Errors
    /// The object is not one of ours.
    pub fn configure(&self, show: Show, object: &mut OpenObject, form: Form) -> libbpf_rs::Result<()> {
        let constants = self.constants(show, form);
        // SAFETY: a repr(C) struct without padding of the compiler's own is readable as bytes.
        let bytes = unsafe { std::slice::from_raw_parts((&raw const constants).cast::<u8>(), size_of::<Constants>()) };
        maps::set_constant(object, ".rodata.filter", bytes)?;
        for (name, ids) in self.sets() {
            maps::set_size(object, name, ids.len().max(1) as u32)?;
        }
        Ok(())
    }

    /// Fills the sets, after load and before attach.
    ///
    /// # Errors
    /// The kernel refuses to store an entry.
    pub fn fill(&self, object: &Object) -> libbpf_rs::Result<()> {
        for (name, ids) in self.sets() {
            let map = maps::find(object, name)?;
            for id in ids {
                map.update(&id.to_ne_bytes(), &[1], MapFlags::ANY)?;
            }
        }
        Ok(())
    }

    fn sets(&self) -> [(&'static str, &[u32]); 2] {
        self.who.map_or([("pids", &[]), ("uids", &[])], |who| [("pids", &who.pids), ("uids", &who.uids)])
    }

    fn constants(&self, show: Show, form: Form) -> Constants {
        let (pidns_dev, pidns_ino) = match PidNamespace::current() {
            PidNamespace::Nested { device, inode } => (device, inode),
            PidNamespace::Initial | PidNamespace::Unknown => (0, 0),
        };
        let mut ports = [0; 65536 / 64];
        for port in self.ports.iter().cloned().flatten() {
            ports[usize::from(port / 64)] |= 1 << (port % 64);
        }
        let by = |ids: fn(&Who) -> &Vec<u32>| u8::from(self.who.is_some_and(|who| !ids(who).is_empty()));
        Constants {
            ports,
            pidns_dev,
            pidns_ino,
            by_port: u8::from(!self.ports.is_empty()),
            by_pid: by(|who| &who.pids),
            by_uid: by(|who| &who.uids),
            ip: self.ip.map_or(0, |ip| ip as u8),
            may_copy: u8::from(kernel::may_copy()),
            sees_nested: u8::from(sees_nested(form)),
            show_time: u8::from(show.time),
            show_uid: u8::from(show.uid),
            show_cgroup: u8::from(show.cgroup),
            unused: [0; 7],
        }
    }
}

/// Whether PIDs of tasks in namespaces below the tool's can be found: only by reading kernel structures.
fn sees_nested(form: Form) -> bool {
    form.needs_btf() && kernel::may_copy()
}

/// What a run in this form cannot tell of PIDs.
#[must_use]
pub fn caveat(form: Form) -> Option<&'static str> {
    match PidNamespace::current() {
        PidNamespace::Unknown => {
            Some("PIDs are those of the initial PID namespace: without /proc nothing says whether this is another")
        }
        PidNamespace::Nested { .. } if !form.needs_btf() => Some(
            "processes in PID namespaces below this one have the PID 0, and -p does not match them: this kernel has no BTF",
        ),
        PidNamespace::Nested { .. } if !sees_nested(form) => Some(
            "processes in PID namespaces below this one have the PID 0, and -p does not match them: \
             lockdown=confidentiality forbids reading kernel memory",
        ),
        PidNamespace::Nested { .. } | PidNamespace::Initial => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_port_is_one_bit() {
        let filter = Filter { ports: &[80..=81, 65535..=65535], ..Filter::default() };
        let constants = filter.constants(Show::NOTHING, Form::Btf);
        assert_eq!(constants.ports[1], 0b11 << 16);
        assert_eq!(constants.ports[1023], 1 << 63);
        assert_eq!(constants.ports.iter().map(|word| word.count_ones()).sum::<u32>(), 3);
        assert_eq!(constants.by_port, 1);
    }

    #[test]
    fn nothing_asked_filters_nothing() {
        let constants = Filter::default().constants(Show::NOTHING, Form::Btf);
        assert_eq!((constants.by_port, constants.by_pid, constants.by_uid, constants.ip), (0, 0, 0, 0));
    }
}
