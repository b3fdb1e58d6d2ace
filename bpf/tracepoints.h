/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Tracepoints in their classic form, for kernels without BTF. Where a record keeps its fields is
 * read from the tracepoint's own `format` file; `layout` holds the offsets (src/backends/layout.rs).
 */
#pragma once
#include "kernel.h"

struct layout {
	struct {
		__u16 skaddr, oldstate, newstate, sport, dport, family, protocol;
		__u16 saddr, daddr, saddr_v6, daddr_v6;
	} inet_sock_set_state;
	struct {
		__u16 skaddr, state, sport;
	} tcp_retransmit_skb;
	struct {
		__u16 saddr, daddr, srtt;
	} tcp_probe;
};

const volatile struct layout layout SEC(".rodata.layout") = {};

/* A context takes no offset that the verifier cannot see in the code, so the field is copied out. */
#define FIELD(ctx, event, name, into) bpf_probe_read_kernel((into), sizeof(*(into)), (void *)(ctx) + layout.event.name)
