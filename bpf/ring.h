/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The ring buffer that takes events to user space. */
#pragma once
#include "kernel.h"
#include "counters.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* set by --buffer-size */
} events SEC(".maps");

/*
 * Room in the ring for one record, to be filled in place and submitted, without a copy on the way.
 * NULL, and counted, when there is none.
 */
static __always_inline void *reserve(__u64 size)
{
	void *record = bpf_ringbuf_reserve(&events, size, 0);

	if (!record)
		count(ring_full);
	return record;
}
