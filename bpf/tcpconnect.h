/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * An attempt of tcpconnect, from its start to its row, whichever hook tells of it.
 *
 * It starts when a socket goes CLOSE -> SYN_SENT (always in the caller's context), or it is
 * a call of tcp_v4_connect or tcp_v6_connect that fails before that. By default its row is sent at
 * once. Where the row must wait, for the outcome or for the source port, the attempt is kept in
 * `in_flight`, keyed by its socket, until a state change or the call's return value ends it.
 */
#pragma once
#include "kernel.h"
#include "emit.h"
#include "event.h"

enum result {
	RESULT_UNKNOWN, /* the row did not wait for it */
	RESULT_OK,
	RESULT_FAILED, /* `error` says why; 0 where that is not known */
	RESULT_CLOSED, /* given up by the process before the handshake ended */
	RESULT_PENDING, /* still in flight when the run ends; user space finds these */
};

struct event {
	struct origin origin; /* of the attempt */
	struct endpoints ends;
	__u16 error;	  /* an errno, positive; 0: none, or not known */
	__u64 latency_ns; /* from the attempt to its outcome; 0 where no SYN was sent */
	enum result result;
	__u8 unused[4];
};

/* Who tells what a connect call returned. */
enum returns {
	RETURNS_UNSEEN,
	RETURNS_OF_FUNCTION, /* fexit: every tcp_vX_connect */
	RETURNS_OF_CALL,     /* kretprobe, sys_exit_connect: calls whose entry is in `calls` */
};

struct mode {
	__u8 wait_for_port;    /* tracepoint with -L: CLOSE -> SYN_SENT does not have it yet */
	__u8 wait_for_outcome; /* -x, --outcome */
	__u8 failed_only;      /* -x */
	__u8 returns;	       /* enum returns */
	__u8 has_btf;
	__u8 unused;
	__u16 cpus; /* kprobe: how many slots there are */
};

const volatile struct mode mode SEC(".rodata.mode") = {};

/* An attempt whose row has to wait. */
struct attempt {
	struct event row;
	__u64 task;	/* bpf_get_current_pid_tgid() at the attempt */
	__u8 in_call;	/* its connect call has not returned yet */
	__u8 ended;	/* inside that call, whose return value tells why */
	__u16 old_port; /* the socket's port of an earlier connection, which it still remembers */
	__u8 unused[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set by --max-in-flight where rows wait */
	__type(key, __u64);	/* struct sock * */
	__type(value, struct attempt);
} in_flight SEC(".maps");

/* A connect call between its entry and its return. */
struct call {
	struct sock *sk;	  /* kprobe: the argument; syscall: the descriptor's socket */
	struct sock *attempt;	  /* the socket that went to SYN_SENT (MPTCP: a subflow) */
	const void *uaddr;
	__u64 ts;
	__u32 addr_len;
	__u8 v6; /* kprobe: tcp_v6_connect, which calls tcp_v4_connect for mapped addresses */
	__u8 unused[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* 16,384 where a backend needs it */
	__type(key, __u64);	/* bpf_get_current_pid_tgid() */
	__type(value, struct call);
} calls SEC(".maps");

/* kprobe: a call that waits without a place in `calls`. */
struct slot {
	__u64 task; /* bpf_get_current_pid_tgid(), 0: free */
	struct call call;
};

#define MAX_CPUS 1024

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* one a CPU for kprobe */
	__type(key, __u32);
	__type(value, struct slot);
} slots SEC(".maps");

static __always_inline bool rows_wait(void)
{
	return mode.wait_for_outcome || mode.wait_for_port;
}

/* Whether the user wants the row, and who is in it. */
static __always_inline bool wanted(const struct endpoints *ends, struct caller *caller)
{
	return ip_wanted(ends->ip) && port_wanted(ends->dport) && caller_wanted(caller);
}

/* Fills in all of a row. */
static __always_inline void describe(struct event *row, const struct endpoints *ends, const struct caller *caller)
{
	originate(&row->origin, caller, rows_wait());
	row->ends = *ends;
	row->error = 0;
	row->latency_ns = 0;
	row->result = RESULT_UNKNOWN;
}

/* A row in the ring, to be submitted; NULL where the user does not want it or there is no room. */
static __always_inline struct event *new_row(const struct endpoints *ends)
{
	struct caller caller;
	struct event *row;

	if (!wanted(ends, &caller))
		return NULL;
	row = reserve(sizeof(*row));
	if (row)
		describe(row, ends, &caller);
	return row;
}

/* Sends the row of an attempt that ended, and forgets the attempt. */
static __always_inline void finish(struct attempt *attempt, __u64 key, enum result result, __u16 error)
{
	if (mode.wait_for_outcome) {
		attempt->row.result = result;
		attempt->row.error = error;
	}
	if (!mode.failed_only || result != RESULT_OK)
		emit(&attempt->row, sizeof(attempt->row));
	bpf_map_delete_elem(&in_flight, &key);
}

/* Return values that say nothing of the attempt: it goes on, was interrupted, or never was one. */
static __always_inline bool tells_nothing(long ret)
{
	return ret >= 0 || ret == -EINPROGRESS || ret == -EINTR || ret == -EFAULT ||
	       ret == -EALREADY || ret == -EISCONN || /* another thread's attempt on the same socket */
	       (ret <= -ERESTARTSYS && ret >= -ERESTART_RESTARTBLOCK);
}

/* The connect call that made the attempt returned `ret`. */
static __always_inline void call_returned(struct attempt *attempt, __u64 key, long ret)
{
	attempt->in_call = false;
	if (attempt->ended)
		finish(attempt, key, RESULT_FAILED, tells_nothing(ret) ? attempt->row.error : -ret);
}

/* A call that failed before its SYN. */
static __always_inline void failed_at_once(struct event *row, long ret)
{
	row->error = -ret;
	if (mode.wait_for_outcome)
		row->result = RESULT_FAILED;
}

/*
 * A new attempt on a socket whose last one has ended and still waits for the return of its call: two
 * threads share the socket, or the kernel did not show the return.
 */
static __always_inline void make_way(__u64 key)
{
	struct attempt *last = bpf_map_lookup_elem(&in_flight, &key);

	if (last && last->ended)
		finish(last, key, last->row.error ? RESULT_FAILED : RESULT_CLOSED, last->row.error);
}

/* CLOSE -> SYN_SENT. `old_port`: the one that the socket still remembers. */
static __always_inline void attempt_started(const struct endpoints *ends, __u16 old_port, __u64 key)
{
	struct attempt attempt = { .old_port = old_port };
	struct call *call = NULL;
	struct caller caller;

	if (!mode.wait_for_outcome && !(mode.wait_for_port && !ends->sport)) {
		struct event *row = new_row(ends);

		if (row)
			bpf_ringbuf_submit(row, 0);
		return;
	}
	attempt.task = bpf_get_current_pid_tgid();
	if (mode.returns == RETURNS_OF_CALL)
		call = bpf_map_lookup_elem(&calls, &attempt.task);
	if (call)
		call->attempt = (struct sock *)key;
	attempt.in_call = call || mode.returns == RETURNS_OF_FUNCTION;
	if (!wanted(ends, &caller))
		return;
	describe(&attempt.row, ends, &caller);
	if (!bpf_map_update_elem(&in_flight, &key, &attempt, BPF_NOEXIST))
		return;
	make_way(key);
	put_aside(&in_flight, &key, &attempt);
}

/*
 * SYN_SENT or SYN_RECV was left for `to`. `sk_err`: the socket's error, -1 where it cannot be read.
 * Softirq and timers do this with an arbitrary current task, so only an end inside the attempt's own
 * call looks at who runs: there the return value knows better than sk_err, which may be an old one.
 */
static __always_inline void attempt_ended(__u64 key, int to, __u16 sport, int sk_err, bool syn_sent)
{
	struct attempt *attempt = bpf_map_lookup_elem(&in_flight, &key);
	__u64 task = bpf_get_current_pid_tgid();

	if (!attempt || attempt->ended)
		return;
	if (sk_err < 0) /* no BTF, no segs_out: the SYN follows the port */
		syn_sent = sport != attempt->old_port || attempt->row.ends.sport;
	if (sport && (syn_sent || sport != attempt->old_port))
		attempt->row.ends.sport = sport;
	if (syn_sent && mode.wait_for_outcome)
		attempt->row.latency_ns = bpf_ktime_get_boot_ns() - attempt->row.origin.ts;
	if (to == TCP_ESTABLISHED) {
		finish(attempt, key, RESULT_OK, 0);
	} else if (attempt->in_call && (attempt->task == task || sk_err < 0)) {
		attempt->ended = true;
		attempt->row.error = sk_err > 0 ? sk_err : 0;
	} else if (sk_err < 0) {
		finish(attempt, key, attempt->task >> 32 == task >> 32 ? RESULT_CLOSED : RESULT_FAILED, 0);
	} else {
		/* Without a SYN there was no answer: sk_err is left from the socket's last attempt. */
		finish(attempt, key, syn_sent && sk_err ? RESULT_FAILED : RESULT_CLOSED, syn_sent ? sk_err : 0);
	}
}

static __always_inline bool starts(int from, int to)
{
	return from == TCP_CLOSE && to == TCP_SYN_SENT;
}

/* SYN_SENT -> SYN_RECV is a simultaneous open, still under way. */
static __always_inline bool ends(int from, int to)
{
	return (from == TCP_SYN_SENT || from == TCP_SYN_RECV) && to != TCP_SYN_RECV;
}
