/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The life of a connection: what is kept of it, by its socket, from its birth to its end.
 *
 * It is born when a socket goes CLOSE -> SYN_SENT (connect) or is made in SYN_RECV (10 -> 3, by the handshake at a
 * listening socket), and ends when the socket goes to CLOSE; what comes after, TIME_WAIT, is another kind of
 * socket. One that has no entry here, or one without its birth, was open when tracing began, or found no room. The
 * address of a socket is used again at once, so a birth overwrites whatever is there.
 */
#pragma once
#include "kernel.h"
#include "counters.h"
#include "owner.h"

struct conn {
	__u64 born; /* boot clock, ns; 0: not seen */
	struct owner owner;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set by --max-in-flight */
	__type(key, __u64);	/* struct sock * */
	__type(value, struct conn);
} conns SEC(".maps");

static __always_inline bool is_connect(int from, int to)
{
	return from == TCP_CLOSE && to == TCP_SYN_SENT;
}

static __always_inline bool is_birth(int from, int to)
{
	return is_connect(from, to) || (from == TCP_LISTEN && to == TCP_SYN_RECV);
}

/* Whether nobody else than the process that closes or shuts down the socket makes this move. */
static __always_inline bool is_own_close(int to)
{
	return to == TCP_FIN_WAIT1 || to == TCP_LAST_ACK;
}

static __always_inline bool is_end(int from, int to)
{
	return to == TCP_CLOSE && from != TCP_CLOSE && from != TCP_LISTEN;
}

static __always_inline void conn_born(__u64 key, int from)
{
	struct conn conn = { .born = bpf_ktime_get_boot_ns(), .owner = NO_OWNER };

	if (from == TCP_CLOSE)
		own(&conn.owner, FROM_CONNECT);
	if (bpf_map_update_elem(&conns, &key, &conn, BPF_ANY))
		count(incomplete);
}

/* The current task uses the socket: the first that is seen doing so is kept. */
static __always_inline void conn_used(struct conn *conn, enum pid_from by)
{
	if (conn->owner.from == FROM_NOBODY || conn->owner.shared)
		own(&conn->owner, by);
}

static __always_inline void conn_owned(__u64 key, enum pid_from by)
{
	struct conn *conn = bpf_map_lookup_elem(&conns, &key);
	struct conn unborn = {};

	if (conn) {
		conn_used(conn, by);
		return;
	}
	own(&unborn.owner, by);
	bpf_map_update_elem(&conns, &key, &unborn, BPF_NOEXIST);
}
