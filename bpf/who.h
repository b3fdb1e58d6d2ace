/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Who does what a row is about, and whether the user wants to see it. */
#pragma once
#include "kernel.h"
#include "options.h"

struct who_filter {
	__u8 by_pid;
	__u8 by_uid;
	__u8 by_comm;
	__u8 follow; /* also what those of `pids` start */
	__u8 on;     /* whether there is any filter: each look at a constant leaves a load or two behind */
	__u8 unused[3];
	__u32 cgroups; /* how many there are in `cgroups` */
};

const volatile struct who_filter who_filter SEC(".rodata.who_filter") = {};

struct id_set pids SEC(".maps");
struct id_set uids SEC(".maps");

/*
 * What processes of `pids` have started, and how many threads of it are left. By the PID of the initial namespace,
 * which is the only one that every event of a new task tells. Kept by forks.h.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} followed SEC(".maps");

#define COMM_LEN 16

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u8[COMM_LEN]); /* zeros to the end */
	__type(value, __u8);
} comms SEC(".maps");

enum who_limits { MAX_CGROUPS = 64, MAX_FOLLOWED = 65536 };

/* Of cgroup v2. The helper that asks for an ancestor by its ID needs 5.15 in these programs. */
struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32); /* user space stores a descriptor */
} cgroups SEC(".maps");

/* A task, in the tool's own PID namespace: 0 where it is not visible there. */
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

		if (BPF_CORE_READ(upid, ns, ns.inum) == options.pidns_ino)
			return BPF_CORE_READ(upid, nr);
	}
	return 0;
}

static __always_inline void see_from_namespace(struct caller *caller)
{
	struct bpf_pidns_info ids = {};

	/* The helper knows only tasks of that very namespace; those nested deeper take the walk. */
	if (bpf_get_ns_current_pid_tgid(options.pidns_dev, options.pidns_ino, &ids, sizeof(ids)) == 0) {
		caller->pid = ids.tgid;
		caller->tid = ids.pid;
		return;
	}
	caller->pid = caller->tid = 0;
	if (options.sees_nested) {
		struct task_struct *task = (void *)bpf_get_current_task();

		caller->pid = pid_in_namespace(BPF_CORE_READ(task, group_leader));
		caller->tid = pid_in_namespace(task);
	}
}

static __always_inline void name_caller(struct caller *caller)
{
	__u64 id = bpf_get_current_pid_tgid();

	caller->pid = id >> 32;
	caller->tid = id;
	if (options.pidns_ino)
		see_from_namespace(caller);
}

/* Asked only with who_filter.follow. `tgid` is what the initial namespace calls the process. */
static __always_inline bool is_followed(__u32 tgid)
{
	return bpf_map_lookup_elem(&followed, &tgid);
}

static __always_inline bool pid_wanted(const struct caller *caller)
{
	return bpf_map_lookup_elem(&pids, &caller->pid) ||
	       (who_filter.follow && is_followed(bpf_get_current_pid_tgid() >> 32));
}

static __always_inline bool comm_wanted(void)
{
	__u8 comm[COMM_LEN] = {}; /* 6.1 writes nothing behind the name's end */

	return !bpf_get_current_comm(comm, sizeof(comm)) && bpf_map_lookup_elem(&comms, comm);
}

/* Also in a cgroup below one of them. */
static __always_inline bool cgroup_wanted(void)
{
	for (__u32 i = 0; i < MAX_CGROUPS && i < who_filter.cgroups; i++)
		if (bpf_current_task_under_cgroup(&cgroups, i) == 1)
			return true;
	return false;
}

static __always_inline bool who_is_in_sets(const struct caller *caller)
{
	if (who_filter.by_pid && !pid_wanted(caller))
		return false;
	if (who_filter.by_uid && !bpf_map_lookup_elem(&uids, &caller->uid))
		return false;
	if (who_filter.by_comm && !comm_wanted())
		return false;
	return !who_filter.cgroups || cgroup_wanted();
}

/* Names the current task and says whether the user wants to see it. */
static __always_inline bool who_wanted(struct caller *caller)
{
	name_caller(caller);
	caller->uid = options.gather_uid ? bpf_get_current_uid_gid() : 0;
	return !who_filter.on || who_is_in_sets(caller);
}
