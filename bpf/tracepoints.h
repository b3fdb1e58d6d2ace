/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Tracepoints in their classic form, for kernels without BTF. Where a record keeps its fields is read from
 * the tracepoint's own `format` file (src/backends/layout.rs). For each event a tool declares the fields that it reads,
 * by their names there:
 *
 *	struct tcp_probe_fields {
 *		OFFSET(2) sport;
 *	};
 *	LAYOUT(tcp, tcp_probe);
 */
#pragma once
#include "kernel.h"

/* Where a field of so many bytes is. The array has no elements: it tells user space the size, by BTF. */
#define OFFSET(bytes)                 \
	struct {                      \
		__u16 at;             \
		__u8 sized[0][bytes]; \
	}

#define LAYOUT(group, event) \
	const volatile struct event##_fields event##_layout SEC(".rodata.layout." #group "." #event) = {}

/* A context takes no offset that the verifier cannot see in the code, so the field is copied out. */
#define FIELD(ctx, event, name, into)                                                                         \
	({                                                                                                    \
		_Static_assert(sizeof(*(into)) == sizeof(event##_layout.name.sized[0]), "size of the field"); \
		bpf_probe_read_kernel((into), sizeof(*(into)), (void *)(ctx) + event##_layout.name.at);       \
	})
