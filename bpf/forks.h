/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Keeps the set `followed`: the processes that those of -p start, and theirs, from their first moment to the end of
 * their last thread. Loaded only where that is asked for. An event of a new task comes before the task runs.
 */
#pragma once
#include "kernel.h"
#include "counters.h"
#include "options.h"
#include "tracepoints.h"
#include "who.h"

/*
 * The current task starts another one. `named` is what -p would call that, 0 where nobody can tell. Whatever process
 * had its PID before has ended, also where no program saw that: the kernel may skip one.
 */
static __always_inline void task_started(__u32 pid, __u32 named, __u64 clone_flags)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32, first = 1;
	__u32 *threads = bpf_map_lookup_elem(&followed, &tgid);
	struct caller parent;

	if (clone_flags & CLONE_THREAD) {
		if (threads)
			__sync_fetch_and_add(threads, 1);
		return;
	}
	bpf_map_delete_elem(&pids, &named);
	name_caller(&parent);
	if (!threads && !bpf_map_lookup_elem(&pids, &parent.pid))
		bpf_map_delete_elem(&followed, &pid);
	else if (bpf_map_update_elem(&followed, &pid, &first, BPF_ANY))
		count(unfollowed);
}

SEC("?tp_btf/task_newtask")
int BPF_PROG(typed_task_newtask, struct task_struct *task, unsigned long clone_flags)
{
	__u32 named = 0;

	if (!options.pidns_ino)
		named = task->pid;
	else if (options.sees_nested)
		named = pid_in_namespace(task);
	task_started(task->pid, named, clone_flags);
	return 0;
}

struct task_newtask_fields {
	OFFSET(4) pid;
	OFFSET(8) clone_flags;
};
LAYOUT(task, task_newtask);

SEC("?tracepoint/task/task_newtask")
int classic_task_newtask(void *ctx)
{
	__u64 clone_flags;
	__u32 pid;

	FIELD(ctx, task_newtask, pid, &pid);
	FIELD(ctx, task_newtask, clone_flags, &clone_flags);
	task_started(pid, options.pidns_ino ? 0 : pid, clone_flags);
	return 0;
}

/* Of each thread. Its process may outlive the first one. */
SEC("?raw_tp/sched_process_exit")
int raw_sched_process_exit(void *ctx)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u32 *threads = bpf_map_lookup_elem(&followed, &tgid);

	if (!threads)
		return 0;
	__sync_fetch_and_add(threads, -1);
	if (!*(volatile __u32 *)threads)
		bpf_map_delete_elem(&followed, &tgid);
	return 0;
}
