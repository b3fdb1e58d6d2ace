//! Which rows the user wants, and what is to be in them, as the kernel side reads it: struct options, who_filter, ends_filter.

use std::fs::File;
use std::ops::RangeInclusive;
use std::os::fd::AsRawFd;

use libbpf_rs::MapCore;
use libbpf_rs::MapFlags;
use libbpf_rs::Object;
use libbpf_rs::OpenObject;

use crate::backends::Form;
use crate::backends::Needs;
use crate::backends::Refusal;
use crate::backends::Section;
use crate::fields::Show;
use crate::kernel;
use crate::kernel::PidNamespace;
use crate::kernel::event;
use crate::kernel::maps;
use crate::kernel::types;
use crate::options::Net;
use crate::options::Who;

/// Which rows to show, of a tool whose rows have a task, and ends; what is empty lets all through.
#[derive(Debug, Clone, Default)]
pub struct Filter<'a> {
    pub who: Option<&'a Who>,
    pub ends: Option<EndsFilter<'a>>,
}

/// Which connections to show.
#[derive(Debug, Clone, Default)]
pub struct EndsFilter<'a> {
    pub ip: Option<Ip>,
    /// Inode numbers of network namespaces.
    pub netnses: &'a [u32],
    pub local: Side<'a>,
    pub remote: Side<'a>,
    /// Ports of which one end is to have one, whichever.
    pub either: &'a [RangeInclusive<u16>],
}

/// What one end of them is to be.
#[derive(Debug, Clone, Default)]
pub struct Side<'a> {
    pub ports: &'a [RangeInclusive<u16>],
    pub not_ports: &'a [RangeInclusive<u16>],
    pub nets: &'a [Net],
}

/// An IP version, the number that the kernel side and the IP column use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Ip {
    V4 = 4,
    V6 = 6,
}

/// A map of the kernel side, and the keys and values that it is to have.
type Set = (&'static str, Vec<(Vec<u8>, Vec<u8>)>);

fn set<K>(name: &'static str, keys: impl IntoIterator<Item = K>, bytes: impl Fn(K) -> Vec<u8>) -> Set {
    (name, keys.into_iter().map(|key| (bytes(key), vec![1])).collect())
}

impl Filter<'_> {
    /// Whether this form can filter so.
    ///
    /// # Errors
    /// It cannot.
    pub fn can_be_of(&self, form: Form) -> Result<(), Refusal> {
        const MAX_CGROUPS: usize = types::who_limits::MAX_CGROUPS.0 as usize;
        if self.ends.as_ref().is_some_and(|ends| !ends.netnses.is_empty()) && !form.needs_btf() {
            return Err(Refusal::new("without BTF no socket tells its network namespace", "leave --netns out"));
        }
        if self.who.is_some_and(|who| who.cgroups.len() > MAX_CGROUPS) {
            return Err(Refusal::new(
                format!("--cgroup is given more than {MAX_CGROUPS} times"),
                "name a cgroup that the others are below",
            ));
        }
        Ok(())
    }

    /// What a run needs, with what it takes to filter so.
    #[must_use]
    pub fn add_to(&self, needs: Needs, form: Form) -> Needs {
        if !self.who.is_some_and(|who| who.follow_forks) {
            return needs;
        }
        let started = match form.needs_btf() {
            true => Section::TpBtf("task_newtask"),
            false => Section::Tracepoint("task", "task_newtask"),
        };
        let needs = needs.program(started, true).program(Section::RawTp("sched_process_exit"), true);
        needs.size(FOLLOWED, types::who_limits::MAX_FOLLOWED.0)
    }

    /// Sets the constants and the sizes of the sets, before load.
    ///
    /// # Errors
    /// The object is not one of ours.
    pub fn configure(&self, show: Show, object: &mut OpenObject, form: Form) -> libbpf_rs::Result<()> {
        maps::set_constants(object, ".rodata.options", &self.options(show, form))?;
        if let Some(who) = self.who {
            maps::set_constants(object, ".rodata.who_filter", &who_constants(who))?;
        }
        if let Some(ends) = &self.ends {
            maps::set_constants(object, ".rodata.ends_filter", &ends_constants(ends))?;
        }
        for (name, entries) in self.sets() {
            set_or_leave_out(object, name, entries.len())?;
        }
        if let Some(who) = self.who {
            set_or_leave_out(object, CGROUPS, who.cgroups.len())?;
            if !who.follow_forks {
                maps::leave_out(object, FOLLOWED)?;
            }
        }
        Ok(())
    }

    /// Fills the sets, after load and before attach.
    ///
    /// # Errors
    /// The kernel refuses to store an entry.
    pub fn fill(&self, object: &Object) -> libbpf_rs::Result<()> {
        for (name, entries) in self.sets().into_iter().filter(|(_, entries)| !entries.is_empty()) {
            let map = maps::find(object, name)?;
            for (key, value) in entries {
                map.update(&key, &value, MapFlags::ANY)?;
            }
        }
        let cgroups = self.who.map_or(&[][..], |who| &who.cgroups);
        for (index, path) in (0_u32..).zip(cgroups) {
            let folder = File::open(path)?;
            let map = maps::find(object, CGROUPS)?;
            map.update(&index.to_ne_bytes(), &folder.as_raw_fd().to_ne_bytes(), MapFlags::ANY)?;
        }
        Ok(())
    }

    fn sets(&self) -> Vec<Set> {
        let mut sets = Vec::new();
        if let Some(who) = self.who {
            sets.push(set("pids", &who.pids, id));
            sets.push(set("uids", &who.uids, id));
            sets.push(set("comms", &who.comms, |comm| comm.to_vec()));
        }
        if let Some(ends) = &self.ends {
            sets.push(set("netnses", ends.netnses, id));
            sets.push(set("local_nets_v4", ends.local.nets_v4(), |net| event::bytes(&net).to_vec()));
            sets.push(set("local_nets_v6", ends.local.nets_v6(), |net| event::bytes(&net).to_vec()));
            sets.push(set("remote_nets_v4", ends.remote.nets_v4(), |net| event::bytes(&net).to_vec()));
            sets.push(set("remote_nets_v6", ends.remote.nets_v6(), |net| event::bytes(&net).to_vec()));
        }
        sets
    }

    fn options(&self, show: Show, form: Form) -> types::options {
        let (pidns_dev, pidns_ino) = match PidNamespace::current() {
            PidNamespace::Nested { device, inode } => (device, inode),
            PidNamespace::Initial | PidNamespace::Unknown => (0, 0),
        };
        let by_netns = self.ends.as_ref().is_some_and(|ends| !ends.netnses.is_empty());
        types::options {
            pidns_dev,
            pidns_ino,
            may_copy: kernel::may_copy().into(),
            sees_nested: sees_nested(form).into(),
            show_time: show.time.into(),
            gather_uid: (show.uid || self.who.is_some_and(|who| !who.uids.is_empty())).into(),
            show_cgroup: show.cgroup.into(),
            gather_netns: (form.needs_btf() && (show.netns || by_netns)).into(),
            ..types::options::default()
        }
    }
}

const CGROUPS: &str = "cgroups";
const FOLLOWED: &str = "followed";

/// A set that nothing filters by is not made.
fn set_or_leave_out(object: &mut OpenObject, name: &str, size: usize) -> libbpf_rs::Result<()> {
    if size == 0 { maps::leave_out(object, name) } else { maps::set_size(object, name, size as u32) }
}

fn id(id: &u32) -> Vec<u8> {
    id.to_ne_bytes().to_vec()
}

fn who_constants(who: &Who) -> types::who_filter {
    types::who_filter {
        by_pid: (!who.pids.is_empty()).into(),
        by_uid: (!who.uids.is_empty()).into(),
        by_comm: (!who.comms.is_empty()).into(),
        on: (who.cgroups.len() + who.pids.len() + who.uids.len() + who.comms.len() > 0).into(),
        follow: who.follow_forks.into(),
        cgroups: who.cgroups.len() as u32,
        ..types::who_filter::default()
    }
}

fn ends_constants(ends: &EndsFilter<'_>) -> types::ends_filter {
    let (local, remote) = (ends.local.constants(), ends.remote.constants());
    let by_netns = !ends.netnses.is_empty();
    types::ends_filter {
        local,
        remote,
        on: ends.is_on().into(),
        by_netns: by_netns.into(),
        ip: ends.ip.map_or(0, |ip| ip as u8),
        either: Side { ports: ends.either, ..Side::default() }.port_bits(),
        by_either_port: (!ends.either.is_empty()).into(),
        ..types::ends_filter::default()
    }
}

impl EndsFilter<'_> {
    /// Whether it leaves anything out.
    #[must_use]
    pub fn is_on(&self) -> bool {
        let either = !self.either.is_empty();
        self.ip.is_some() || !self.netnses.is_empty() || either || self.local.filters() || self.remote.filters()
    }
}

impl Side<'_> {
    fn filters(&self) -> bool {
        self.filters_ports() || !self.nets.is_empty()
    }

    fn constants(&self) -> types::side_filter {
        let mut constants = types::side_filter {
            ports: self.port_bits(),
            by_port: self.filters_ports().into(),
            nets_v4: self.nets_v4().next().is_some().into(),
            nets_v6: self.nets_v6().next().is_some().into(),
            ..types::side_filter::default()
        };
        if let [net] = self.nets {
            (constants.net, constants.mask, constants.net_ip) = net.words();
        }
        constants
    }

    fn filters_ports(&self) -> bool {
        !self.ports.is_empty() || !self.not_ports.is_empty()
    }

    fn port_bits(&self) -> types::ports {
        let mut bits = types::ports { wanted: [if self.ports.is_empty() { u64::MAX } else { 0 }; _] };
        for port in self.ports.iter().cloned().flatten() {
            bits.wanted[usize::from(port / 64)] |= 1 << (port % 64);
        }
        for port in self.not_ports.iter().cloned().flatten() {
            bits.wanted[usize::from(port / 64)] &= !(1 << (port % 64));
        }
        bits
    }

    /// The nets, unless there is one alone: that is a constant.
    fn several(&self) -> &[Net] {
        if self.nets.len() == 1 { &[] } else { self.nets }
    }

    fn nets_v4(&self) -> impl Iterator<Item = types::net_v4> {
        self.several().iter().filter_map(|net| match *net {
            Net::V4 { address, bits } => Some(types::net_v4 { bits, address: address.octets() }),
            Net::V6 { .. } => None,
        })
    }

    fn nets_v6(&self) -> impl Iterator<Item = types::net_v6> {
        self.several().iter().filter_map(|net| match *net {
            Net::V6 { address, bits } => Some(types::net_v6 { bits, address: address.octets() }),
            Net::V4 { .. } => None,
        })
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
        let constants = Side { ports: &[80..=81, 65535..=65535], ..Side::default() }.port_bits();
        assert_eq!(constants.wanted[1], 0b11 << 16);
        assert_eq!(constants.wanted[1023], 1 << 63);
        assert_eq!(constants.wanted.iter().map(|word| word.count_ones()).sum::<u32>(), 3);
    }

    #[test]
    fn ports_that_are_not_wanted_are_taken_from_those_that_are() {
        let bits = |side: Side<'_>| side.port_bits().wanted.iter().map(|word| word.count_ones()).sum::<u32>();
        assert_eq!(bits(Side { not_ports: &[0..=9], ..Side::default() }), 65526);
        assert_eq!(bits(Side { ports: &[5..=14], not_ports: &[0..=9], ..Side::default() }), 5);
    }

    #[test]
    fn one_net_alone_is_a_constant() {
        let net = |text| crate::options::parse_net(text).unwrap();
        let one = [net("10.0.0.0/9")];
        let side = Side { nets: &one, ..Side::default() };
        let constants = side.constants();
        assert_eq!((constants.net_ip, constants.nets_v4), (4, 0));
        assert_eq!(constants.net[0].to_ne_bytes(), [10, 0, 0, 0]);
        assert_eq!(constants.mask.map(u32::to_ne_bytes), [[255, 128, 0, 0], [0; 4], [0; 4], [0; 4]]);
        let two = [net("2001:db8::/33"), net("::/0")];
        let constants = Side { nets: &two[..1], ..Side::default() }.constants();
        assert_eq!(constants.mask.map(u32::to_ne_bytes), [[255; 4], [128, 0, 0, 0], [0; 4], [0; 4]]);
        let side = Side { nets: &two, ..Side::default() };
        assert_eq!((side.constants().net_ip, side.constants().nets_v6, side.nets_v6().count()), (0, 1, 2));
    }

    #[test]
    fn nothing_asked_filters_nothing() {
        let ends = ends_constants(&EndsFilter::default());
        assert_eq!((ends.on, ends.by_netns, ends.by_either_port, ends.ip), (0, 0, 0, 0));
        for side in [ends.local, ends.remote] {
            assert_eq!((side.by_port, side.net_ip, side.nets_v4, side.nets_v6), (0, 0, 0, 0));
        }
        let who = who_constants(&Who::default());
        assert_eq!((who.on, who.by_pid, who.by_uid, who.by_comm, who.cgroups), (0, 0, 0, 0, 0));
        assert!(
            Filter { who: Some(&Who::default()), ends: Some(EndsFilter::default()) }
                .sets()
                .iter()
                .all(|set| set.1.is_empty())
        );
    }
}
