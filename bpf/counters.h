/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Rows that the kernel side had to give up, in a mapped section of its own: user space reads it without
 * a system call, also after it has dropped every capability. Written on the rare path only.
 */
#pragma once
#include "kernel.h"

struct counters {
	__u64 ring_full; /* rows that found no room in the ring buffer */
	__u64 map_full;	 /* rows that found no room in a map */
	__u64 untold; /* rows that may be missing: only some endings have one, and a map had no room to wait for it */
	__u64 incomplete; /* rows that are there, but say less: a map had no room for what was known */
	__u64 unfollowed; /* processes that -f found no room for */
	__u64 half_seen;  /* rows of which we saw only one half: a call without its return, say */
};

struct counters counters SEC(".data.counters");

/* The result of the add must stay unused: fetching adds need 5.12. */
#define count(counter) ((void)__sync_fetch_and_add(&counters.counter, 1))
