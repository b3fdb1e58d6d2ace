/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * How to look, and what to gather. User space fills these constants, and those of the filters, before load; the
 * verifier folds them away, so what was not asked for costs nothing.
 */
#pragma once
#include "kernel.h"

struct options {
	__u64 pidns_dev; /* the PID namespace of the tool; 0 in the initial one */
	__u64 pidns_ino;
	__u8 may_copy;	  /* bpf_probe_read_kernel; 0 under lockdown=confidentiality */
	__u8 sees_nested; /* tasks in PID namespaces below the tool's: that takes may_copy, and CO-RE */
	__u8 show_time;	  /* what no row shows need not be gathered */
	__u8 gather_uid;  /* for rows or for the filter */
	__u8 show_cgroup;
	__u8 gather_netns; /* for rows or for the filter */
	__u8 unused[2];
};

const volatile struct options options SEC(".rodata.options") = {};

/*
 * Of sets and other maps of filters user space sets the size, or leaves them out where nothing filters by
 * them, and fills them before attach.
 */
struct id_set {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u8);
};
