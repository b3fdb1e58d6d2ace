/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Which rows the user wants, and what of them. User space fills `filter` before load; the verifier then folds its
 * constants away, so a filter that was not asked for costs nothing.
 */
#pragma once
#include "kernel.h"

struct filter {
	__u64 ports[65536 / 64]; /* one bit a port, so any number of ports costs one load */
	__u64 pidns_dev;	 /* the PID namespace of the tool; 0 in the initial one */
	__u64 pidns_ino;
	__u8 by_port;
	__u8 by_pid;
	__u8 by_uid;
	__u8 ip;	  /* 4 or 6; 0: both */
	__u8 may_copy;	  /* bpf_probe_read_kernel; 0 under lockdown=confidentiality */
	__u8 sees_nested; /* tasks in PID namespaces below the tool's: that takes may_copy, and CO-RE */
	__u8 show_time;	  /* what no row shows need not be gathered */
	__u8 show_uid;
	__u8 show_cgroup;
	__u8 unused[7];
};

const volatile struct filter filter SEC(".rodata.filter") = {};

/* Any number of PIDs and UIDs; user space sizes and fills them before attach. */
struct id_set {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u8);
};

struct id_set pids SEC(".maps");
struct id_set uids SEC(".maps");

/* Who does what a row is about, in the tool's own PID namespace: 0 where it is not visible there. */
struct caller {
	__u32 pid;
	__u32 tid;
	__u32 uid; /* 0 where neither rows nor the filter ask for it */
};

static __always_inline __u32 pid_in_namespace(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level);

	for (__u32 i = 0; i < 32 && i <= level; i++) { /* MAX_PID_NS_LEVEL */
		struct upid *upid =
			(void *)pid + bpf_core_field_offset(pid->numbers) + i * bpf_core_type_size(struct upid);

		if (BPF_CORE_READ(upid, ns, ns.inum) == filter.pidns_ino)
			return BPF_CORE_READ(upid, nr);
	}
	return 0;
}

static __always_inline void see_from_namespace(struct caller *caller)
{
	struct bpf_pidns_info ids = {};

	/* The helper knows only tasks of that very namespace; those nested deeper take the walk. */
	if (bpf_get_ns_current_pid_tgid(filter.pidns_dev, filter.pidns_ino, &ids, sizeof(ids)) == 0) {
		caller->pid = ids.tgid;
		caller->tid = ids.pid;
		return;
	}
	caller->pid = caller->tid = 0;
	if (filter.sees_nested) {
		struct task_struct *task = (void *)bpf_get_current_task();

		caller->pid = pid_in_namespace(BPF_CORE_READ(task, group_leader));
		caller->tid = pid_in_namespace(task);
	}
}

/* Names the current task and says whether the user wants to see it. */
static __always_inline bool caller_wanted(struct caller *caller)
{
	__u64 id = bpf_get_current_pid_tgid();

	caller->pid = id >> 32;
	caller->tid = id;
	if (filter.pidns_ino)
		see_from_namespace(caller);
	if (filter.by_pid && !bpf_map_lookup_elem(&pids, &caller->pid))
		return false;
	caller->uid = filter.by_uid || filter.show_uid ? bpf_get_current_uid_gid() : 0;
	return !filter.by_uid || bpf_map_lookup_elem(&uids, &caller->uid);
}

static __always_inline bool port_wanted(__u16 port)
{
	return !filter.by_port || filter.ports[port / 64] >> (port % 64) & 1;
}

static __always_inline bool ip_wanted(__u8 ip)
{
	return !filter.ip || filter.ip == ip;
}
