/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Histograms that are made in the kernel: one of everything, or one a group. User space takes what is in
 * them while programs go on adding, and misses nothing (src/kernel/samples.rs).
 */
#pragma once
#include "kernel.h"
#include "endpoints.h"

struct histogram {
	__u64 slots[32]; /* how many values there were, by their power of two; 0 is with 1 */
	__u64 sum;
	__u64 unknown; /* how often there was none */
};

/* The key of a group: zeros, but for what its values have in common. Shorter than an event, as all of it is hashed. */
struct group {
	struct endpoints ends;
	__u32 uid;
	__u64 cgroup_id;
};

/*
 * Of everything, or of the groups for which there is no room. User space has it mapped, and exchanges each number for
 * 0. One a CPU, in lines of its own; CPUs above that many share. Adding is atomic nevertheless: a softirq can come
 * between.
 */
enum histogram_limits { CPUS = 256 };

struct common {
	struct histogram histogram;
	__u64 unused[6];
};

struct common common[CPUS] SEC(".bss.common");

/* Two maps of groups. Putting the other one into `groups` returns once no program uses the first any more. */
struct groups {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* --max-groups */
	__type(key, struct group);
	__type(value, struct histogram);
} groups_a SEC(".maps"), groups_b SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct groups);
} groups SEC(".maps") = { .values = { &groups_a } };

const struct histogram empty = {};

static __always_inline struct histogram *common_histogram(void)
{
	return &common[bpf_get_smp_processor_id() % CPUS].histogram;
}

static __always_inline struct histogram *histogram_of(const struct group *group)
{
	struct histogram *histogram;
	__u32 first = 0;
	void *map = bpf_map_lookup_elem(&groups, &first);

	if (!map) /* never */
		return common_histogram();
	histogram = bpf_map_lookup_elem(map, group);
	if (!histogram) {
		bpf_map_update_elem(map, group, &empty, BPF_NOEXIST);
		histogram = bpf_map_lookup_elem(map, group);
	}
	return histogram ?: common_histogram();
}

/* Of a table three branches less than of shifts alone, and 25 instructions. */
#define SIXTEEN(power) \
	power, power, power, power, power, power, power, power, power, power, power, power, power, power, power, power
static const __u8 powers[256] = {
	0,	    0,		1,	    1,		2,	    2,		2,	    2,
	3,	    3,		3,	    3,		3,	    3,		3,	    3,
	SIXTEEN(4), SIXTEEN(5), SIXTEEN(5), SIXTEEN(6), SIXTEEN(6), SIXTEEN(6), SIXTEEN(6), SIXTEEN(7),
	SIXTEEN(7), SIXTEEN(7), SIXTEEN(7), SIXTEEN(7), SIXTEEN(7), SIXTEEN(7), SIXTEEN(7),
};

static __always_inline void add(struct histogram *histogram, __u64 value)
{
	__u64 shift = value < 1 << 8 ? 0 : value < 1 << 16 ? 8 : value < 1 << 24 ? 16 : 24;

	__sync_fetch_and_add(&histogram->slots[(powers[value >> shift & 255] + shift) % 32], 1);
	__sync_fetch_and_add(&histogram->sum, value);
}
