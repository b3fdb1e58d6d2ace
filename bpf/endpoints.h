/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The two ends of a connection as rows show them, and how to read them from a socket. IPv4-mapped
 * IPv6 addresses are shown as the IPv4 that they mean.
 */
#pragma once
#include "kernel.h"
#include "options.h"

struct endpoints {
	__u8 saddr[16]; /* local; network order; IPv4 uses the first four bytes */
	__u8 daddr[16];
	__u32 netns; /* of the socket: the inode number; 0 where neither rows nor the filter ask for it */
	__u16 sport; /* host order; 0: not known (yet) */
	__u16 dport;
	__u8 ip;	  /* 4 or 6 */
	__u8 daddr_known; /* whether `daddr` is the destination: 0.0.0.0 is one that can be asked for */
	__u8 unused[2];
};

/*
 * fexit and tp_btf get pointers that the verifier knows (`typed`) and loads through directly, which
 * lockdown=confidentiality allows; kprobe programs must copy, which it does not. `ptr` is a variable: of
 * an expression every step would be looked for in the kernel's BTF.
 */
#define READ(typed, ptr, field)                                    \
	({                                                         \
		typeof((ptr)->field) value_;                       \
		if (typed)                                         \
			value_ = (ptr)->field;                     \
		else                                               \
			BPF_CORE_READ_INTO(&value_, (ptr), field); \
		value_;                                            \
	})

/* TCP or MPTCP. The family matters: others, too, have a protocol 6. */
static __always_inline bool is_tcp(struct sock *sk, const bool typed)
{
	__u16 family = READ(typed, sk, __sk_common.skc_family);
	__u16 protocol = READ(typed, sk, sk_protocol);

	return (family == AF_INET || family == AF_INET6) && (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP) &&
	       READ(typed, sk, sk_type) == SOCK_STREAM;
}

static __always_inline void put_u32(__u8 *bytes, __u32 value)
{
	__builtin_memcpy(bytes, &value, sizeof(value));
}

static __always_inline __u32 get_u32(const __u8 *bytes)
{
	__u32 value;

	__builtin_memcpy(&value, bytes, sizeof(value));
	return value;
}

static __always_inline bool is_zero(const __u8 *addr)
{
	return !(get_u32(addr) | get_u32(addr + 4) | get_u32(addr + 8) | get_u32(addr + 12));
}

static __always_inline bool is_v4_mapped(const __u8 *addr)
{
	return get_u32(addr) == 0 && get_u32(addr + 4) == 0 && get_u32(addr + 8) == bpf_htonl(0xffff);
}

/* `::ffff:a.b.c.d` becomes `a.b.c.d`, the source with it. */
static __always_inline void unmap_v4(struct endpoints *ends)
{
	if (ends->ip != 6 || !is_v4_mapped(ends->daddr))
		return;
	ends->ip = 4;
	put_u32(ends->daddr, get_u32(ends->daddr + 12));
	/* Of the source, `::` (not bound) is not mapped, and its last word is 0 as well. */
	put_u32(ends->saddr, get_u32(ends->saddr + 12));
	__builtin_memset(ends->daddr + 4, 0, 12);
	__builtin_memset(ends->saddr + 4, 0, 12);
}

#define READ_V6(typed, bytes, sk, field)                                                           \
	do {                                                                                       \
		if (typed) {                                                                       \
			put_u32((bytes), (sk)->__sk_common.field.in6_u.u6_addr32[0]);              \
			put_u32((bytes) + 4, (sk)->__sk_common.field.in6_u.u6_addr32[1]);          \
			put_u32((bytes) + 8, (sk)->__sk_common.field.in6_u.u6_addr32[2]);          \
			put_u32((bytes) + 12, (sk)->__sk_common.field.in6_u.u6_addr32[3]);         \
		} else {                                                                           \
			bpf_core_read((bytes), sizeof(struct in6_addr), &(sk)->__sk_common.field); \
		}                                                                                  \
	} while (0)

static __always_inline void read_netns(struct endpoints *ends, struct sock *sk, const bool typed)
{
	if (options.gather_netns)
		ends->netns = typed ? sk->__sk_common.skc_net.net->ns.inum
				    : BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
}

/*
 * What the socket itself says, final from CLOSE -> SYN_SENT on, except for the source port, which
 * it then has only if it was bound. Where each copy is a call of the kernel, pairs need fewer.
 */
static __always_inline void read_socket(struct endpoints *ends, struct sock *sk, __u16 family, const bool typed)
{
	struct {
		__be16 dport;
		__u16 num;
	} ports = {};
	struct {
		__be32 daddr, rcv_saddr;
	} addrs = {};

	if (typed) {
		ports.dport = sk->__sk_common.skc_dport;
		ports.num = sk->__sk_common.skc_num;
	} else {
		bpf_core_read(&ports, sizeof(ports), &sk->__sk_common.skc_portpair);
	}
	ends->sport = ports.num;
	ends->dport = bpf_ntohs(ports.dport);
	ends->daddr_known = true;
	read_netns(ends, sk, typed);
	if (family == AF_INET) {
		if (typed) {
			addrs.daddr = sk->__sk_common.skc_daddr;
			addrs.rcv_saddr = sk->__sk_common.skc_rcv_saddr;
		} else {
			bpf_core_read(&addrs, sizeof(addrs), &sk->__sk_common.skc_addrpair);
		}
		ends->ip = 4;
		put_u32(ends->saddr, addrs.rcv_saddr);
		put_u32(ends->daddr, addrs.daddr);
	} else if (bpf_core_field_exists(sk->__sk_common.skc_v6_daddr)) { /* CONFIG_IPV6 */
		ends->ip = 6;
		READ_V6(typed, ends->saddr, sk, skc_v6_rcv_saddr);
		READ_V6(typed, ends->daddr, sk, skc_v6_daddr);
		unmap_v4(ends);
	}
}

/* The local port as the socket remembers it after it gave the port back (on its way to CLOSE). */
static __always_inline __u16 remembered_port(struct sock *sk, const bool typed)
{
	struct tcp_sock *tp;

	if (!typed)
		return bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	tp = bpf_skc_to_tcp_sock(sk);
	return tp ? bpf_ntohs(tp->inet_conn.icsk_inet.inet_sport) : 0;
}
