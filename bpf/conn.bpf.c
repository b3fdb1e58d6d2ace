// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * tcplife: connections, once they have ended. The programs of each backend; what is kept of a connection
 * is in conn.h, whose it is in owner.h.
 */
#include "kernel.h"
#include "conn.h"
#include "counters.h"
#include "ends.h"
#include "event.h"
#include "ring.h"
#include "state_record.h"

struct event {
	struct origin origin; /* the owner, when it ended */
	struct endpoints ends;
	__u16 error;	   /* the socket's, an errno; 0: none */
	__u8 state;	   /* that it was in before CLOSE; 0: not seen */
	__u8 opened;	   /* tracing saw it begin */
	__u64 duration_ns; /* known where `opened` */
	__u64 tx_bytes;	   /* payload, counted once */
	__u64 rx_bytes;
	__u32 retransmits;
	__u32 segs_out;
	__u32 segs_in;
	__u32 srtt_us;
	__u32 min_rtt_us; /* ~0: not measured */
	__u32 rcv_ooo;
	__u32 dsack;
	__u32 lost;
	__u8 cong[16];
	__u8 measured; /* what the socket counted, from tx_bytes to cong, is known */
	__u8 pid_from; /* enum pid_from */
	__u8 shared;
	__u8 unused[5];
};

const struct event *unused __attribute__((unused));

struct mode {
	__u8 failed; /* -x */
};

const volatile struct mode mode SEC(".rodata.mode") = {};

/* What the socket itself has counted: all of it is there until after its last change of state. */
static __always_inline void measure(struct event *row, struct sock *sk, struct tcp_sock *tp)
{
	row->measured = true;
	row->tx_bytes = tp->bytes_sent - tp->bytes_retrans;
	row->rx_bytes = tp->bytes_received - (sk->__sk_common.skc_flags >> SOCK_DONE & 1);
	row->retransmits = tp->total_retrans;
	row->segs_out = tp->segs_out;
	row->segs_in = tp->segs_in;
	row->srtt_us = tp->srtt_us >> 3;
	row->min_rtt_us = tp->rtt_min.s[0].v;
	row->rcv_ooo = tp->rcv_ooopack;
	row->dsack = tp->dsack_dups;
	row->lost = tp->lost;
	__builtin_memcpy(row->cong, tp->inet_conn.icsk_ca_ops->name, sizeof(row->cong));
}

/* Failed connects are no connections; -x shows them, and connections that did not end by the FINs of both sides. */
static __always_inline bool hidden(int from, int error)
{
	if (mode.failed)
		return !error && (from == TCP_FIN_WAIT2 || from == TCP_LAST_ACK || from == TCP_CLOSING);
	return from == TCP_SYN_SENT || from == TCP_SYN_RECV;
}

/* A row for what ended, with nothing measured; NULL where it is not wanted, or finds no room. */
static __always_inline struct event *new_row(const struct endpoints *ends, const struct conn *conn, int from, int error)
{
	struct event *row;

	if (hidden(from, error) || !ends_wanted(ends) || !conn->owner.wanted)
		return NULL;
	row = reserve(sizeof(*row));
	if (!row)
		return NULL;
	originate_from(&row->origin, &conn->owner);
	row->ends = *ends;
	row->error = error;
	row->state = from;
	row->opened = !!conn->born;
	row->measured = false;
	row->duration_ns = row->origin.ts - conn->born;
	row->pid_from = conn->owner.from;
	row->shared = conn->owner.shared;
	return row;
}

static __always_inline void ended(struct sock *sk, const struct conn *conn, int from)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct endpoints ends = {};
	struct event *row;

	if (!tp)
		return;
	read_socket(&ends, sk, sk->__sk_common.skc_family, true);
	ends.sport = bpf_ntohs(tp->inet_conn.icsk_inet.inet_sport); /* it has given its port back, and remembers it */
	row = new_row(&ends, conn, from, sk->sk_err);
	if (!row)
		return;
	measure(row, sk, tp);
	bpf_ringbuf_submit(row, 0);
}

/* The socket goes to CLOSE. */
static __always_inline void closed(struct sock *sk, int from)
{
	__u64 key = (__u64)sk;
	struct conn *kept = bpf_map_lookup_elem(&conns, &key);
	struct conn unborn = { .owner = NO_OWNER }, *conn = kept ?: &unborn;

	if (sk->sk_lock.owned)
		conn_used(conn, FROM_CLOSE);
	ended(sk, conn, from);
	if (kept)
		bpf_map_delete_elem(&conns, &key);
}

SEC("?tp_btf/inet_sock_set_state")
int BPF_PROG(btf_inet_sock_set_state, struct sock *sk, int from, int to)
{
	if (sk->sk_protocol != IPPROTO_TCP) /* an MPTCP connection is its subflows */
		return 0;
	if (is_birth(from, to))
		conn_born((__u64)sk, from);
	else if (is_end(from, to))
		closed(sk, from);
	else if (is_own_close(to) && sk->sk_lock.owned)
		conn_owned((__u64)sk, FROM_CLOSE);
	return 0;
}

/* An end that the kernel did not show: the socket goes, and it is still kept. */
SEC("?tp_btf/tcp_destroy_sock")
int BPF_PROG(btf_tcp_destroy_sock, struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct conn *conn = bpf_map_lookup_elem(&conns, &key);
	struct tcp_sock *tp;

	if (!conn)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	/* Without its birth it may have ended before it was kept. */
	if (conn->born && tp)
		ended(sk, conn, conn->owner.from == FROM_CONNECT && !tp->bytes_acked ? TCP_SYN_SENT : 0);
	bpf_map_delete_elem(&conns, &key);
	return 0;
}

/* Tracepoint: accept has no hook but the system calls, so the first that reads is the owner. */
SEC("?tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(btf_tcp_rcv_space_adjust, struct sock *sk)
{
	if (sk->sk_lock.owned && sk->sk_protocol == IPPROTO_TCP)
		conn_owned((__u64)sk, FROM_RECV);
	return 0;
}

SEC("?fentry/security_sock_graft")
int BPF_PROG(fentry_security_sock_graft, struct sock *sk)
{
	if (is_tcp(sk, true) && sk->sk_protocol == IPPROTO_TCP)
		conn_owned((__u64)sk, FROM_ACCEPT);
	return 0;
}

SEC("?kprobe/security_sock_graft")
int BPF_KPROBE(kprobe_security_sock_graft, struct sock *sk)
{
	if (is_tcp(sk, false) && BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP)
		conn_owned((__u64)sk, FROM_ACCEPT);
	return 0;
}

/* Once, when the others are at work: whose the connections are that were open before. */
SEC("?iter/task_file")
int iter_task_file(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct conn *conn, found = {};
	struct sock *sk;
	__u64 key;

	if (!task || !file)
		return 0;
	sk = connection_of_file(file);
	if (!sk || !own_as_task(&found.owner, task))
		return 0;
	key = (__u64)sk;
	if (bpf_map_update_elem(&conns, &key, &found, BPF_NOEXIST)) {
		conn = bpf_map_lookup_elem(&conns, &key);
		if (conn && conn->owner.from == FROM_OPEN && conn->owner.caller.pid != found.owner.caller.pid)
			conn->owner.shared = true;
	}
	return 0;
}

/* --- without BTF: what a socket has counted cannot be read, nor its error; its ends are in the record ---- */

/* The socket has given its port back, and of IPv6 the head has no addresses. */
static __always_inline bool may_be_wanted(const struct head *head)
{
	struct endpoints ends = { .dport = bpf_ntohs(head->dport), .ip = ip_of(head) };

	return version_wanted(&ends) && remote_port_wanted(&ends);
}

/* Attached after the one on the record, and not skipped as that is: what it still finds kept, that has missed. */
SEC("?raw_tp/inet_sock_set_state")
int BPF_PROG(raw_inet_sock_set_state, void *sk, int from, int to)
{
	__u64 key = (__u64)sk;
	struct head head = {};
	struct conn *conn;

	if (is_birth(from, to)) {
		conn_born(key, from);
	} else if (is_own_close(to)) {
		conn_owned(key, FROM_CLOSE);
	} else if (to == TCP_CLOSE) {
		conn = bpf_map_lookup_elem(&conns, &key);
		if (!conn)
			return 0;
		bpf_probe_read_kernel(&head, sizeof(head), sk);
		if (may_be_wanted(&head) && conn->owner.wanted && !hidden(from, 0))
			count(half_seen);
		bpf_map_delete_elem(&conns, &key);
	}
	return 0;
}

SEC("?raw_tp/tcp_rcv_space_adjust")
int BPF_PROG(raw_tcp_rcv_space_adjust, void *sk)
{
	conn_owned((__u64)sk, FROM_RECV);
	return 0;
}

SEC("?tracepoint/sock/inet_sock_set_state")
int classic_inet_sock_set_state(void *ctx)
{
	struct conn *kept, unborn = { .owner = NO_OWNER };
	struct endpoints ends = {};
	struct event *row = NULL;
	__u16 protocol = 0;
	int from = 0, to = 0;
	__u64 key = 0;

	FIELD(ctx, inet_sock_set_state, oldstate, &from);
	FIELD(ctx, inet_sock_set_state, newstate, &to);
	if (!is_end(from, to))
		return 0;
	FIELD(ctx, inet_sock_set_state, protocol, &protocol);
	FIELD(ctx, inet_sock_set_state, skaddr, &key);
	kept = bpf_map_lookup_elem(&conns, &key);
	read_record(&ends, ctx);
	if (protocol == IPPROTO_TCP)
		row = new_row(&ends, kept ?: &unborn, from, 0);
	if (row)
		bpf_ringbuf_submit(row, 0);
	if (kept)
		bpf_map_delete_elem(&conns, &key);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
