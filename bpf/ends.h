/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Which connections the user wants, by their ends. */
#pragma once
#include "kernel.h"
#include "endpoints.h"
#include "options.h"

/* One bit for each port, so that any number of ports costs one load. */
struct ports {
	__u64 wanted[65536 / 64];
};

struct ends_filter {
	struct ports local_ports;
	struct ports remote_ports;
	__u8 by_local_port;
	__u8 by_remote_port;
	__u8 local_nets_v4; /* whether there are any, of this IP version */
	__u8 local_nets_v6;
	__u8 remote_nets_v4;
	__u8 remote_nets_v6;
	__u8 by_netns;
	__u8 ip; /* 4 or 6; 0: both */
};

const volatile struct ends_filter ends_filter SEC(".rodata.ends_filter") = {};

struct id_set netnses SEC(".maps");

/* Tries of an IP version each: the kernel compares four bytes at a time. */
struct net_v4 {
	__u32 bits;
	__u8 address[4];
};

struct net_v6 {
	__u32 bits;
	__u8 address[16];
};

struct nets_v4 {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct net_v4);
	__type(value, __u8);
};

struct nets_v6 {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct net_v6);
	__type(value, __u8);
};

struct nets_v4 local_nets_v4 SEC(".maps");
struct nets_v6 local_nets_v6 SEC(".maps");
struct nets_v4 remote_nets_v4 SEC(".maps");
struct nets_v6 remote_nets_v6 SEC(".maps");

static __always_inline bool in_nets_v4(struct nets_v4 *nets, const __u8 *address)
{
	struct net_v4 key = { .bits = 32 };

	__builtin_memcpy(key.address, address, sizeof(key.address));
	return bpf_map_lookup_elem(nets, &key);
}

static __always_inline bool in_nets_v6(struct nets_v6 *nets, const __u8 *address)
{
	struct net_v6 key = { .bits = 128 };

	__builtin_memcpy(key.address, address, sizeof(key.address));
	return bpf_map_lookup_elem(nets, &key);
}

/* An address that is not known is in no net. */
static __always_inline bool local_net_wanted(const struct endpoints *ends)
{
	if (!ends_filter.local_nets_v4 && !ends_filter.local_nets_v6)
		return true;
	if (ends->ip == 4)
		return ends_filter.local_nets_v4 && get_u32(ends->saddr) && in_nets_v4(&local_nets_v4, ends->saddr);
	return ends_filter.local_nets_v6 && !is_zero(ends->saddr) && in_nets_v6(&local_nets_v6, ends->saddr);
}

static __always_inline bool remote_net_wanted(const struct endpoints *ends)
{
	if (!ends_filter.remote_nets_v4 && !ends_filter.remote_nets_v6)
		return true;
	if (!ends->daddr_known)
		return false;
	if (ends->ip == 4)
		return ends_filter.remote_nets_v4 && in_nets_v4(&remote_nets_v4, ends->daddr);
	return ends_filter.remote_nets_v6 && in_nets_v6(&remote_nets_v6, ends->daddr);
}

static __always_inline bool port_is_in(const volatile struct ports *ports, __u16 port)
{
	return ports->wanted[port / 64] >> (port % 64) & 1;
}

static __always_inline bool version_wanted(const struct endpoints *ends)
{
	return !ends_filter.ip || ends_filter.ip == ends->ip;
}

static __always_inline bool local_port_wanted(const struct endpoints *ends)
{
	return !ends_filter.by_local_port || port_is_in(&ends_filter.local_ports, ends->sport);
}

static __always_inline bool remote_port_wanted(const struct endpoints *ends)
{
	return !ends_filter.by_remote_port || port_is_in(&ends_filter.remote_ports, ends->dport);
}

static __always_inline bool netns_wanted(const struct endpoints *ends)
{
	return !ends_filter.by_netns || bpf_map_lookup_elem(&netnses, &ends->netns);
}

/* All that is known before the kernel has chosen a local end. */
static __always_inline bool remote_end_wanted(const struct endpoints *ends)
{
	return version_wanted(ends) && remote_port_wanted(ends) && netns_wanted(ends) && remote_net_wanted(ends);
}

static __always_inline bool ends_wanted(const struct endpoints *ends)
{
	return remote_end_wanted(ends) && local_port_wanted(ends) && local_net_wanted(ends);
}

static __always_inline bool remote_end_is_filtered(void)
{
	return ends_filter.ip || ends_filter.by_remote_port || ends_filter.by_netns || ends_filter.remote_nets_v4 ||
	       ends_filter.remote_nets_v6;
}
