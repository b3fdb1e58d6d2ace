/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * An attempt of tcpconnect, from its start to its row, whichever hook tells of it.
 *
 * An attempt starts when a socket goes CLOSE -> SYN_SENT, which is always in the caller's context. A call
 * of tcp_v4_connect or tcp_v6_connect that fails before that is an attempt, too. By default the row is
 * sent at once. Where it has to wait, for the outcome or for the source port, it takes this way:
 *
 *	connect is called                            the call may be noted in `calls` or `slots`
 *	   |
 *	   |--- fails before CLOSE -> SYN_SENT --->  connect_returned: the row, with its error
 *	   v
 *	attempt_started                              the attempt is kept in `in_flight`, by its socket
 *	   |
 *	   |--- inside its own call, the socket leaves SYN_SENT for CLOSE: attempt_ended
 *	   |      v
 *	   |    `ended` is set                       the call's return value knows the error better
 *	   |      |--- call_returned ------------->  finish: the row
 *	   |
 *	   |--- call_returned with an error ------>  finish
 *	   |--- attempt_ended, from anywhere ----->  finish: ESTABLISHED, or CLOSE after the call
 *	   |--- -L: syn_resent ------------------->  finish: the port is known
 *	   |
 *	   |    where the kernel skipped the program that would have seen the end:
 *	   |--- a new attempt on the socket: make_way --->  finish
 *	   |--- the end of the socket: socket_ended ----->  finish
 *	   |--- the end of tracing: look_at ------------->  `ended` is set, and user space takes the row
 *	   v
 *	pending                                      user space finds it in `in_flight`
 *
 * `calls` and `slots` have connect calls that have not returned. The backends differ in what tells of a
 * call and of its return (`mode.returns`); all of them learn of later ends from the state tracepoint.
 */
#pragma once
#include "kernel.h"
#include "event.h"
#include "ring.h"

enum result {
	RESULT_UNKNOWN, /* the row did not wait for it, or nobody saw it and the socket no longer tells */
	RESULT_OK,
	RESULT_FAILED,	/* `error` says why; 0 where that is not known */
	RESULT_CLOSED,	/* given up by the process before the handshake ended */
	RESULT_PENDING, /* in flight */
};

struct event {
	struct origin origin; /* of the attempt */
	struct endpoints ends;
	enum result result;
	__u64 latency_ns; /* from the attempt to its outcome; 0 where no SYN was sent, or nobody saw the end */
	__u16 error;	  /* an errno, positive; 0: none, or not known */
	__u8 unused[6];
};

/* Of which connect calls the return value is seen. */
enum returns {
	RETURNS_UNSEEN,
	RETURNS_OF_FUNCTION, /* fexit: of every tcp_vX_connect */
	RETURNS_OF_CALLS,    /* kretprobe, sys_exit_connect: of those that are noted in `calls` */
};

struct mode {
	__u8 wait_for_port;    /* tracepoint with -L: CLOSE -> SYN_SENT does not have it yet */
	__u8 wait_for_outcome; /* -x, --outcome */
	__u8 failed_only;      /* -x */
	__u8 uses_btf;	       /* all forms but the classic one do */
	enum returns returns;
	__u32 cpus;  /* kprobe: how many slots there are */
	__u32 share; /* how many attempts of one user can be in flight */
};

const volatile struct mode mode SEC(".rodata.mode") = {};

/* An attempt that is under way, and whose row has to wait. */
struct attempt {
	struct event row;
	__u64 task;	/* bpf_get_current_pid_tgid() at the attempt */
	__u8 in_call;	/* its connect call has not returned yet */
	__u8 ended;	/* inside that call, whose return value tells why */
	__u16 old_port; /* the socket's port of an earlier connection, which it still remembers */
	__u16 user;	/* whose share of the map it takes: an index of `shares` */
	__u8 unused[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set by --max-in-flight where rows wait */
	__type(key, __u64);	/* struct sock * */
	__type(value, struct attempt);
} in_flight SEC(".maps");

/*
 * How many attempts each user has in flight, so that one cannot take the whole map and hide the
 * attempts of the others. By a hash of the user's ID: bounded, and users who collide share a share.
 */
#define USERS_BITS 10

struct shares {
	__s32 in_flight[1 << USERS_BITS];
};

struct shares shares SEC(".data.shares");

static __always_inline __s32 *share_of(__u16 user)
{
	return &shares.in_flight[user & ((1 << USERS_BITS) - 1)];
}

/* A connect call between its entry and its return. */
struct call {
	struct sock *sk;	/* kprobe: the argument; syscall: the descriptor's socket */
	struct sock *attempted; /* the socket that went to SYN_SENT (MPTCP: a subflow) */
	const void *uaddr;
	__u64 ts;
	__u32 addr_len;
	__u8 v6; /* kprobe: whether it is one of tcp_v6_connect, which calls tcp_v4_connect for mapped addresses */
	__u8 unused[3];
};

/* LRU: where the kernel does not show a return, the entry stays until its thread connects again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* more where a backend needs it */
	__type(key, __u64);	/* bpf_get_current_pid_tgid() */
	__type(value, struct call);
} calls SEC(".maps");

/* kprobe: a call that waits without a place in `calls`. */
struct slot {
	__u64 task; /* bpf_get_current_pid_tgid(), 0: free */
	struct call call;
};

enum slots_limit { MAX_CPUS = 1024 };
const enum slots_limit *unused_limit __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* kprobe: one for each CPU */
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
	return ends_wanted(ends) && who_wanted(caller);
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

/* False where another CPU was first. */
static __always_inline bool forget(struct attempt *attempt, __u64 key)
{
	__s32 *share = share_of(attempt->user);
	/* Before 6.3 the upper half of what it returns is undefined. */
	int err = bpf_map_delete_elem(&in_flight, &key);

	if (err)
		return false;
	__sync_fetch_and_add(share, -1);
	return true;
}

/*
 * Sends the row of an attempt that ended, and forgets the attempt. Not inlined, so that it takes no
 * registers from rows that do not wait: they took 25 instructions more (6.12).
 */
static __noinline void finish(struct attempt *attempt, __u64 key, enum result result, __u16 error)
{
	bool shown = !mode.failed_only || result != RESULT_OK;
	struct event *row = shown ? bpf_ringbuf_reserve(&events, sizeof(*row), 0) : NULL;

	/* Copied before it is forgotten: another attempt may then take its place. */
	if (row) {
		*row = attempt->row;
		if (mode.wait_for_outcome) {
			row->result = result;
			row->error = error;
		}
	}
	if (forget(attempt, key)) {
		if (row)
			bpf_ringbuf_submit(row, 0);
		else if (shown)
			count(ring_full);
	} else if (row) {
		bpf_ringbuf_discard(row, 0);
	}
}

/*
 * What an attempt that did not reach ESTABLISHED is called; nothing else decides that. `given_up`: where
 * there is no error, its process gave it up; otherwise there was one that is not known.
 */
static __always_inline enum result verdict(__u16 error, bool given_up)
{
	return !error && given_up ? RESULT_CLOSED : RESULT_FAILED;
}

/* Return values that say nothing of the attempt: it goes on, the call was interrupted, or there was none. */
static __always_inline bool tells_nothing(long ret)
{
	return ret >= 0 || ret == -EINPROGRESS || ret == -EINTR || ret == -EFAULT || ret == -EALREADY ||
	       ret == -EISCONN || /* another thread's attempt on the same socket */
	       (ret <= -ERESTARTSYS && ret >= -ERESTART_RESTARTBLOCK);
}

/*
 * The connect call that made the attempt returned `ret`. With an error the attempt is over, even if
 * the program that sees its end was skipped.
 */
static __always_inline void call_returned(struct attempt *attempt, __u64 key, long ret)
{
	attempt->in_call = false;
	if (!tells_nothing(ret))
		finish(attempt, key, verdict(-ret, false), -ret);
	else if (attempt->ended)
		finish(attempt, key, attempt->row.result, attempt->row.error);
}

/* A call that failed before its SYN. */
static __always_inline void failed_at_once(struct event *row, long ret)
{
	row->error = -ret;
	if (mode.wait_for_outcome)
		row->result = verdict(-ret, false);
}

/*
 * A new attempt on a socket whose last one is still kept. Either that has ended and waits for the return of
 * its call: two threads share the socket, or the kernel did not show the return. Or its end was
 * skipped, and the socket has forgotten by now how it went.
 */
static __always_inline void make_way(__u64 key)
{
	struct attempt *last = bpf_map_lookup_elem(&in_flight, &key);

	if (last)
		finish(last, key, last->ended ? last->row.result : RESULT_UNKNOWN, last->row.error);
}

/* There is no room to wait. With -x it is not known whether a row is lost: only attempts that fail have one. */
static __always_inline void not_kept(void)
{
	if (mode.failed_only)
		count(untold);
	else
		count(map_full);
}

static __always_inline void keep(struct attempt *attempt, __u64 key)
{
	__u32 uid = bpf_get_current_uid_gid();
	__s32 *share;
	int err;

	attempt->user = (uid * 2654435769u) >> (32 - USERS_BITS); /* Knuth's multiplicative hash */
	share = share_of(attempt->user);
	if (*(volatile __s32 *)share >= (__s32)mode.share) {
		not_kept();
		return;
	}
	err = bpf_map_update_elem(&in_flight, &key, attempt, BPF_NOEXIST);
	if (err == -EEXIST) {
		make_way(key);
		err = bpf_map_update_elem(&in_flight, &key, attempt, BPF_NOEXIST);
	}
	if (err)
		not_kept();
	else
		__sync_fetch_and_add(share, 1);
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
	if (mode.returns == RETURNS_OF_CALLS)
		call = bpf_map_lookup_elem(&calls, &attempt.task);
	/* Before the filter: sys_exit_connect would take a call without this for one that failed before its SYN. */
	if (call)
		call->attempted = (struct sock *)key;
	attempt.in_call = call || mode.returns == RETURNS_OF_FUNCTION;
	if (!wanted(ends, &caller)) {
		make_way(key); /* the end of this attempt must not be taken for that of the last one */
		return;
	}
	describe(&attempt.row, ends, &caller);
	if (mode.wait_for_outcome)
		attempt.row.result = RESULT_PENDING;
	keep(&attempt, key);
}

/* In the classic form. */
enum { SK_ERR_UNREADABLE = -1 };

/*
 * SYN_SENT or SYN_RECV was left for `to`. `sk_err`: the socket's error.
 * Softirq and timers do this with an arbitrary current task, so only an end inside the attempt's own
 * call looks at who runs: there the return value knows better than sk_err, which may be an old one.
 */
static __always_inline void attempt_ended(__u64 key, int to, __u16 sport, int sk_err, bool syn_sent)
{
	struct attempt *attempt = bpf_map_lookup_elem(&in_flight, &key);
	__u64 task = bpf_get_current_pid_tgid();
	enum result result;
	__u16 error;

	if (!attempt || attempt->ended)
		return;
	if (sk_err == SK_ERR_UNREADABLE) /* nor can segs_out: the SYN is sent once a port is chosen */
		syn_sent = sport != attempt->old_port || attempt->row.ends.sport;
	if (sport && (syn_sent || sport != attempt->old_port))
		attempt->row.ends.sport = sport;
	if (syn_sent && mode.wait_for_outcome)
		attempt->row.latency_ns = bpf_ktime_get_boot_ns() - attempt->row.origin.ts;
	if (to == TCP_ESTABLISHED) {
		finish(attempt, key, RESULT_OK, 0);
		return;
	}
	/* Without a SYN there was no answer: sk_err is left from the socket's last attempt. */
	error = syn_sent && sk_err > 0 ? sk_err : 0;
	/* Where sk_err cannot be read: the process itself closes the socket, while errors come in softirq. */
	result = verdict(error, sk_err != SK_ERR_UNREADABLE || attempt->task >> 32 == task >> 32);
	if (attempt->in_call && (attempt->task == task || sk_err == SK_ERR_UNREADABLE)) {
		attempt->row.result = result;
		attempt->row.error = error;
		attempt->ended = true;
	} else {
		finish(attempt, key, result, error);
	}
}

/*
 * The result of an attempt whose end was skipped, as its socket tells it. The kernel skips a program where a
 * softirq enters it on a CPU that is in it already. So the end was an answer or a time-out, never the
 * process's own doing, and where there is no error, the process has fetched it (SO_ERROR).
 */
static __always_inline enum result told_by_socket(__u64 bytes_acked, int sk_err)
{
	return bytes_acked ? RESULT_OK : verdict(sk_err, false);
}

static __always_inline bool is_start(int from, int to)
{
	return from == TCP_CLOSE && to == TCP_SYN_SENT;
}

/* SYN_SENT -> SYN_RECV is a simultaneous open, still under way. */
static __always_inline bool is_end(int from, int to)
{
	return (from == TCP_SYN_SENT || from == TCP_SYN_RECV) && to != TCP_SYN_RECV;
}
