/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What every event begins with: `struct origin origin; struct endpoints ends;`, in this order. */
#pragma once
#include "kernel.h"
#include "endpoints.h"
#include "ends.h"
#include "forks.h"
#include "options.h"
#include "who.h"

/* When something happened, and in which task. */
struct origin {
	__u64 ts; /* boot clock, ns */
	__u64 cgroup_id;
	struct caller caller;
	__u8 comm[COMM_LEN];
	__u8 anonymous; /* the task is not known: all of the above but the time means nothing */
	__u8 unused[3];
};

/* The current task, now; the time only if rows show it, or if it is `timed`. */
static __always_inline void originate(struct origin *origin, const struct caller *caller, const bool timed)
{
	origin->ts = options.show_time || timed ? bpf_ktime_get_boot_ns() : 0;
	origin->cgroup_id = options.show_cgroup ? bpf_get_current_cgroup_id() : 0;
	origin->caller = *caller;
	origin->anonymous = false;
	bpf_get_current_comm(origin->comm, sizeof(origin->comm));
}
