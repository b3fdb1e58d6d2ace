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

/* What one end is to be. */
struct side_filter {
	struct ports ports;
	__u32 net[4]; /* where there is one net alone: its beginning, */
	__u32 mask[4];
	__u8 net_ip; /* and its IP version; 0: none, or several */
	__u8 by_port;
	__u8 nets_v4; /* whether there are several, and some of this IP version */
	__u8 nets_v6;
	__u8 unused[4];
};

struct ends_filter {
	struct side_filter local;
	struct side_filter remote;
	__u8 on; /* whether there is any filter: each look at a constant leaves a load or two behind */
	__u8 by_netns;
	__u8 ip; /* 4 or 6; 0: both */
	__u8 unused[5];
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

static __always_inline bool in_net(const volatile struct side_filter *side, const __u8 *address)
{
	return !((get_u32(address) ^ side->net[0]) & side->mask[0]) &&
	       !((get_u32(address + 4) ^ side->net[1]) & side->mask[1]) &&
	       !((get_u32(address + 8) ^ side->net[2]) & side->mask[2]) &&
	       !((get_u32(address + 12) ^ side->net[3]) & side->mask[3]);
}

/* An address that is not known is in no net. */
static __always_inline bool local_net_wanted(const struct endpoints *ends)
{
	if (ends_filter.local.net_ip)
		return ends_filter.local.net_ip == ends->ip && !is_zero(ends->saddr) &&
		       in_net(&ends_filter.local, ends->saddr);
	if (!ends_filter.local.nets_v4 && !ends_filter.local.nets_v6)
		return true;
	if (ends->ip == 4)
		return ends_filter.local.nets_v4 && get_u32(ends->saddr) && in_nets_v4(&local_nets_v4, ends->saddr);
	return ends_filter.local.nets_v6 && !is_zero(ends->saddr) && in_nets_v6(&local_nets_v6, ends->saddr);
}

static __always_inline bool remote_net_wanted(const struct endpoints *ends)
{
	if (ends_filter.remote.net_ip)
		return ends_filter.remote.net_ip == ends->ip && ends->daddr_known &&
		       in_net(&ends_filter.remote, ends->daddr);
	if (!ends_filter.remote.nets_v4 && !ends_filter.remote.nets_v6)
		return true;
	if (!ends->daddr_known)
		return false;
	if (ends->ip == 4)
		return ends_filter.remote.nets_v4 && in_nets_v4(&remote_nets_v4, ends->daddr);
	return ends_filter.remote.nets_v6 && in_nets_v6(&remote_nets_v6, ends->daddr);
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
	return !ends_filter.local.by_port || port_is_in(&ends_filter.local.ports, ends->sport);
}

static __always_inline bool remote_port_wanted(const struct endpoints *ends)
{
	return !ends_filter.remote.by_port || port_is_in(&ends_filter.remote.ports, ends->dport);
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
	return !ends_filter.on || (remote_end_wanted(ends) && local_port_wanted(ends) && local_net_wanted(ends));
}
