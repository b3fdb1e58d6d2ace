/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* A change of a socket's state without BTF: what its record has, and what can be read of the socket itself. */
#pragma once
#include "kernel.h"
#include "ends.h"
#include "tracepoints.h"

struct inet_sock_set_state_fields {
	OFFSET(8) skaddr;
	OFFSET(4) oldstate;
	OFFSET(4) newstate;
	OFFSET(2) sport;
	OFFSET(2) dport;
	OFFSET(2) family;
	OFFSET(2) protocol;
	OFFSET(4) saddr;
	OFFSET(4) daddr;
	OFFSET(16) saddr_v6;
	OFFSET(16) daddr_v6;
};

LAYOUT(sock, inet_sock_set_state);

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

/* How struct sock_common begins, the same since 3.8. */
struct head {
	__be32 daddr, rcv_saddr;
	__u32 hash;
	__be16 dport;
	__u16 num;
	__u16 family;
	__u8 state;
	__u8 flags;
};

/*
 * How an IPv6 socket's head shows that it speaks IPv6 and not IPv4: tcp_v6_connect has given it this
 * for an IPv4 address, LOOPBACK4_IPV6.
 */
#define V6_SOURCE bpf_htonl(0x7f000006)

static __always_inline __u8 ip_of(const struct head *head)
{
	return head->family == AF_INET6 && head->rcv_saddr == V6_SOURCE ? 6 : 4;
}
