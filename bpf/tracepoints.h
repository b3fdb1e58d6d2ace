/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Tracepoints in their classic form, for kernels without BTF. Where a record keeps its fields is
 * read from the tracepoint's own `format` file; `layout` holds the offsets (src/backends/layout.rs).
 */
#pragma once
#include "kernel.h"
#include "endpoints.h"

struct layout {
	struct {
		__u16 skaddr, oldstate, newstate, sport, dport, family, protocol;
		__u16 saddr, daddr, saddr_v6, daddr_v6;
	} inet_sock_set_state;
	struct {
		__u16 skaddr, state, sport;
	} tcp_retransmit_skb;
};

const volatile struct layout layout SEC(".rodata.layout") = {};

/* A context takes no offset that the verifier cannot see in the code, so the field is copied out. */
#define FIELD(ctx, event, name, into) bpf_probe_read_kernel((into), sizeof(*(into)), (void *)(ctx) + layout.event.name)

/* The ends, with the port that the socket remembers, not the one that it holds. */
static __always_inline void read_record(struct endpoints *ends, void *ctx)
{
	__u16 family = 0;

	FIELD(ctx, inet_sock_set_state, family, &family);
	FIELD(ctx, inet_sock_set_state, dport, &ends->dport);
	FIELD(ctx, inet_sock_set_state, sport, &ends->sport);
	ends->daddr_known = true;
	if (family == AF_INET) {
		ends->ip = 4;
		FIELD(ctx, inet_sock_set_state, saddr, (__u32 *)ends->saddr);
		FIELD(ctx, inet_sock_set_state, daddr, (__u32 *)ends->daddr);
	} else {
		ends->ip = 6;
		FIELD(ctx, inet_sock_set_state, saddr_v6, &ends->saddr);
		FIELD(ctx, inet_sock_set_state, daddr_v6, &ends->daddr);
		unmap_v4(ends);
	}
}
