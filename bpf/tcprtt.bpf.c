// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * tcprtt: the round-trip times of connections, as histograms that are made here and read at intervals.
 *
 * A sample is taken for each segment that an established connection receives: tcp_probe is the first line of
 * tcp_rcv_established. Both run in softirq, where the current task is anybody's: whose a segment is only its socket
 * tells.
 */
#include "kernel.h"
#include "counters.h"
#include "event.h"
#include "histogram.h"
#include "tracepoints.h"

/* For user space: a group as its fields see it. */
struct event {
	struct origin origin;
	struct endpoints ends;
	__u8 unused[4];
};

const struct event *unused __attribute__((unused));
const struct group *unused_group __attribute__((unused));

enum { SMOOTHED, LEAST };

struct mode {
	__u8 sample;
	__u8 milliseconds;
	__u8 selects; /* filters, or groups: one look at a constant leaves two instructions behind */
	__u8 grouped; /* by some of these, or what the options gather */
	__u8 by_laddr, by_lport, by_raddr, by_rport, by_ip, by_netns;
};

const volatile struct mode mode SEC(".rodata.mode") = {};

#define KEEP(asked, field) \
	if (!(asked))      \
	__builtin_memset(&ends->field, 0, sizeof(ends->field))

/* The histogram for segments between these ends, NULL where the user does not want them. */
static __always_inline struct histogram *find(struct group *group)
{
	struct endpoints *ends = &group->ends;

	if (!ends_wanted(ends))
		return NULL;
	if (!mode.grouped)
		return common_histogram();
	KEEP(mode.by_laddr, saddr);
	KEEP(mode.by_raddr, daddr);
	KEEP(mode.by_lport, sport);
	KEEP(mode.by_rport, dport);
	KEEP(mode.by_netns, netns);
	KEEP(mode.by_laddr || mode.by_raddr || mode.by_ip, ip);
	return histogram_of(group);
}

static __always_inline struct histogram *histogram_for(struct sock *sk, const bool typed)
{
	struct group group = {};

	read_socket(&group.ends, sk, READ(typed, sk, __sk_common.skc_family), typed);
	if (options.gather_uid)
		group.uid = READ(typed, sk, sk_uid.val);
	if (options.show_cgroup)
		group.cgroup_id =
			typed ? sk->sk_cgrp_data.cgroup->kn->id : BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
	return find(&group);
}

/* `nothing` stands for a time that is not known yet: after a Fast Open, say. */
static __always_inline void measured(struct histogram *histogram, __u64 microseconds, const __u32 nothing)
{
	if (microseconds == nothing)
		__sync_fetch_and_add(&histogram->unknown, 1);
	else
		add(histogram, mode.milliseconds ? microseconds / 1000 : microseconds);
}

static __always_inline int received(struct sock *sk, const bool typed)
{
	struct histogram *histogram = mode.selects ? histogram_for(sk, typed) : common_histogram();
	struct tcp_sock *tp = typed ? bpf_skc_to_tcp_sock(sk) : (struct tcp_sock *)sk;

	if (!histogram || !tp)
		return 0;
	if (mode.sample == LEAST)
		measured(histogram, READ(typed, tp, rtt_min.s[0].v), ~0U);
	else
		measured(histogram, READ(typed, tp, srtt_us) >> 3, 0);
	return 0;
}

SEC("?tp_btf/tcp_probe")
int BPF_PROG(tp_btf_tcp_probe, struct sock *sk)
{
	return received(sk, true);
}

SEC("?fentry/tcp_rcv_established")
int BPF_PROG(fentry_tcp_rcv_established, struct sock *sk)
{
	return received(sk, true);
}

SEC("?kprobe/tcp_rcv_established")
int BPF_KPROBE(kprobe_tcp_rcv_established, struct sock *sk)
{
	return received(sk, false);
}

struct tcp_probe_fields {
	OFFSET(28) saddr, daddr;
	OFFSET(4) srtt;
};
LAYOUT(tcp, tcp_probe);

/* A sockaddr_in or sockaddr_in6 of a record. */
static __always_inline void read_sockaddr(const __u8 *from, __u8 ip, __u8 *addr, __u16 *port)
{
	*port = bpf_ntohs(((struct sockaddr_in *)from)->sin_port);
	if (ip == 4)
		put_u32(addr, ((struct sockaddr_in *)from)->sin_addr);
	else
		__builtin_memcpy(addr, ((struct sockaddr_in6 *)from)->sin6_addr, 16);
}

SEC("?tracepoint/tcp/tcp_probe")
int classic_tcp_probe(void *ctx)
{
	__u8 addrs[2][28] __attribute__((aligned(8)));
	struct group group = { .ends.daddr_known = true };
	struct histogram *histogram;
	__u32 srtt;

	if (mode.selects) {
		FIELD(ctx, tcp_probe, saddr, &addrs[0]);
		FIELD(ctx, tcp_probe, daddr, &addrs[1]);
		group.ends.ip = *(__u16 *)addrs == AF_INET ? 4 : 6;
		read_sockaddr(addrs[0], group.ends.ip, group.ends.saddr, &group.ends.sport);
		read_sockaddr(addrs[1], group.ends.ip, group.ends.daddr, &group.ends.dport);
		unmap_v4(&group.ends);
	}
	histogram = mode.selects ? find(&group) : common_histogram();
	FIELD(ctx, tcp_probe, srtt, &srtt);
	if (histogram)
		measured(histogram, srtt, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
