/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Whose socket this is, for programs that run in softirq and timers, where the current task is whoever was
 * interrupted. The one honest rule: the current task uses a socket if and only if it holds the socket's lock
 * (sk_lock.owned). While it does, softirq leaves packets on the backlog and timers wait, so whatever runs then
 * runs in that task. Held against a cgroup of the traced processes alone: of 199 events with the lock all came
 * from it (5.10 to 7.3), of 185 without it up to 6 did not.
 */
#pragma once
#include "kernel.h"
#include "endpoints.h"
#include "event.h"
#include "options.h"
#include "who.h"

/* By what a process was found to be the owner. */
enum pid_from {
	FROM_NOBODY,
	FROM_CONNECT,
	FROM_ACCEPT,
	FROM_RECV,
	FROM_CLOSE,
	FROM_OPEN, /* it had a descriptor of the socket when tracing began */
};

struct owner {
	__u64 cgroup_id;
	struct caller caller;
	__u8 comm[COMM_LEN];
	__u8 from;   /* enum pid_from */
	__u8 shared; /* FROM_OPEN: other processes had one, too */
	__u8 wanted; /* by the filters of who, which were asked when it was the current task */
	__u8 unused;
};

/* The current task, of which the caller knows that it uses the socket. */
static __always_inline void own(struct owner *owner, enum pid_from from)
{
	owner->wanted = who_wanted(&owner->caller);
	owner->cgroup_id = options.show_cgroup ? bpf_get_current_cgroup_id() : 0;
	bpf_get_current_comm(owner->comm, sizeof(owner->comm));
	owner->from = from;
	owner->shared = false;
}

/* Nobody yet: not wanted where a process or user was asked for. */
#define NO_OWNER                         \
	{                                \
		.wanted = !who_filter.on \
	}

/* What rows say of who did it; now. */
static __always_inline void originate_from(struct origin *origin, const struct owner *owner)
{
	origin->ts = bpf_ktime_get_boot_ns();
	origin->cgroup_id = owner->cgroup_id;
	origin->caller = owner->caller;
	__builtin_memcpy(origin->comm, owner->comm, sizeof(origin->comm));
	origin->anonymous = owner->from == FROM_NOBODY;
}

/* --- sockets that are open when tracing begins: an iterator over the files of all tasks --------- */

static __always_inline bool is_connection(struct sock *sk, const bool typed)
{
	__u8 state = READ(typed, sk, __sk_common.skc_state);

	return is_tcp(sk, typed) && READ(typed, sk, sk_protocol) == IPPROTO_TCP && state != TCP_CLOSE &&
	       state != TCP_LISTEN;
}

/*
 * The connection behind the file, NULL where it is none. Without the helper, before 5.11, by a copy of the
 * pointer; user space loads the iterator there only where copies are allowed.
 */
static __always_inline struct sock *connection_of_file(struct file *file)
{
	struct socket *socket;
	struct sock *sk;

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_sock_from_file)) {
		socket = bpf_sock_from_file(file);
		sk = socket ? socket->sk : NULL;
		return sk && is_connection(sk, true) ? sk : NULL;
	}
	if (!options.may_copy || (file->f_inode->i_mode & S_IFMT) != S_IFSOCK)
		return NULL;
	socket = file->private_data;
	sk = BPF_CORE_READ(socket, sk);
	return sk && is_connection(sk, false) ? sk : NULL;
}

/*
 * A task that has a descriptor of the socket. False where its PID cannot be told, or what is asked for can be asked
 * of the current task alone: then the first use of the socket tells.
 */
static __always_inline bool own_as_task(struct owner *owner, struct task_struct *task)
{
	struct caller *caller = &owner->caller;

	if (who_filter.by_comm || who_filter.cgroups)
		return false;
	if (options.pidns_ino) {
		if (!options.sees_nested)
			return false;
		caller->pid = caller->tid = pid_in_namespace(task);
	} else {
		caller->pid = task->tgid;
		caller->tid = task->pid;
	}
	caller->uid = task->real_cred->uid.val;
	__builtin_memcpy(owner->comm, task->comm, sizeof(owner->comm));
	owner->from = FROM_OPEN;
	owner->wanted = (!who_filter.by_pid || bpf_map_lookup_elem(&pids, &caller->pid) ||
			 (who_filter.follow && is_followed(task->tgid))) &&
			(!who_filter.by_uid || bpf_map_lookup_elem(&uids, &caller->uid));
	return true;
}
