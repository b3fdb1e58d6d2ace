// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * tcpaccept: accepted TCP connections. All hooks run in the context of the thread that accepts; never
 * SYN_RECV -> ESTABLISHED, which runs wherever the last packet of the handshake is processed.
 *
 * The kernel takes a connection off the listening socket's queue in inet_csk_accept and hands it to a
 * struct socket in security_sock_graft, whoever asked: accept(2), io_uring or the kernel itself.
 * inet_csk_accept is also where threads sleep until there is a connection, and a program on its
 * return sees only calls that began after it was attached, and, as a kretprobe, only as many at once
 * as the kernel has set aside: of 16 threads that waited before, it showed none, of 16 that waited
 * together afterwards, 2 on 5.10 and 10 on 7.3 (two CPUs). So rows are made in security_sock_graft,
 * which is entered afterwards and showed all 32; inet_csk_accept adds what only it knows: the
 * listening socket, and MPTCP's subflow. In a kernel without security_sock_graft
 * (CONFIG_SECURITY_NETWORK) the return of inet_csk_accept makes all rows.
 */
#include "kernel.h"
#include "descriptor.h"
#include "event.h"
#include "ring.h"

/* The queue of a listening socket. */
struct backlog {
	__u32 waiting; /* connections that still wait to be accepted */
	__u32 limit;
};

struct event {
	struct origin origin;
	struct endpoints ends;
	__u8 backlog_known;
	__u8 unused[3];
	struct backlog backlog;
};

const struct event *unused_event __attribute__((unused));

struct mode {
	__u8 backlog; /* --backlog */
	__u8 graft;   /* programs on security_sock_graft make the rows */
};

const volatile struct mode mode SEC(".rodata.mode") = {};

/* With --backlog: what is known of a thread's accept call before its row is made. */
struct call {
	struct sock *listener; /* NULL: `backlog` was read already */
	struct backlog backlog;
	int fd;
	__u8 unused[4];
};

/* LRU: a call that fails leaves an entry, which the thread's next one overwrites. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* more with --backlog */
	__type(key, __u64);	/* bpf_get_current_pid_tgid() */
	__type(value, struct call);
} calls SEC(".maps");

static __always_inline void remember(const struct call *call)
{
	__u64 task = bpf_get_current_pid_tgid();
	struct caller caller;

	if (who_wanted(&caller) && bpf_map_update_elem(&calls, &task, call, BPF_ANY))
		count(map_full);
}

static __always_inline void read_backlog(struct backlog *backlog, struct sock *listener, const bool typed)
{
	backlog->waiting = READ(typed, listener, sk_ack_backlog);
	backlog->limit = READ(typed, listener, sk_max_ack_backlog);
}

/* The row of the connection `sk`; `backlog` may be NULL: not known. */
static __always_inline void accepted(struct sock *sk, const struct backlog *backlog, const bool typed)
{
	struct endpoints ends = {};
	struct caller caller;
	struct event *row;

	read_socket(&ends, sk, READ(typed, sk, __sk_common.skc_family), typed);
	/* Reset by its peer before it was accepted, it may have given its port back. */
	if (!ends.sport)
		ends.sport = remembered_port(sk, typed);
	if (!ends_wanted(&ends) || !who_wanted(&caller))
		return;
	row = reserve(sizeof(*row));
	if (!row)
		return;
	originate(&row->origin, &caller, false);
	row->ends = ends;
	row->backlog_known = !!backlog;
	row->backlog = backlog ? *backlog : (struct backlog){};
	bpf_ringbuf_submit(row, 0);
}

/* The connection `sk` is handed over: in security_sock_graft, or else when inet_csk_accept returns. */
static __always_inline void grafted(struct sock *sk, const bool typed)
{
	__u64 task = bpf_get_current_pid_tgid();
	struct backlog backlog = {};
	struct call *call = NULL;

	if (mode.backlog)
		call = bpf_map_lookup_elem(&calls, &task);
	if (!call) {
		accepted(sk, NULL, typed);
		return;
	}
	if (typed) /* fexit has read it, as only there the listener is a typed pointer */
		backlog = call->backlog;
	else
		read_backlog(&backlog, call->listener, typed);
	bpf_map_delete_elem(&calls, &task);
	accepted(sk, &backlog, typed);
}

/* --- backend fentry ------------------------------------------------------------------------------ */

SEC("?fentry/security_sock_graft")
int BPF_PROG(fentry_security_sock_graft, struct sock *sk)
{
	/* An MPTCP socket does not have its addresses yet: see inet_csk_accept. */
	if (is_tcp(sk, true) && sk->sk_protocol == IPPROTO_TCP)
		grafted(sk, true);
	return 0;
}

/* A typed load of an argument, in assembly so that clang does not move it: the verifier wants the offset in the code.
 */
#define LOAD_ARGUMENT(ctx, index, into) \
	asm volatile("%0 = *(u64 *)(%1 + %2)" : "=r"(into) : "r"(ctx), "i"((index) * sizeof(__u64)))

/*
 * What inet_csk_accept returns stands after its arguments: (sk, flags, err, kern) before 6.10, and
 * (sk, proto_accept_arg *) since. A copy of the wrong
 * place would load and give rubbish; a typed load of it is refused by the verifier.
 */
static __always_inline struct sock *returned_socket(void *ctx)
{
	struct sock *sk;

	if (bpf_core_type_exists(struct proto_accept_arg))
		LOAD_ARGUMENT(ctx, 2, sk);
	else
		LOAD_ARGUMENT(ctx, 4, sk);
	return sk;
}

/* The kernel's own test of whether an MPTCP socket takes this one's place. */
static __always_inline bool is_subflow(struct sock *sk)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	return tp && bpf_core_field_exists(tp->is_mptcp) && tp->is_mptcp;
}

SEC("?fexit/inet_csk_accept")
int BPF_PROG(fexit_inet_csk_accept, struct sock *listener)
{
	struct sock *sk = returned_socket(ctx);
	struct call call = {};

	if (!sk || sk->sk_protocol != IPPROTO_TCP) /* failed, or DCCP */
		return 0;
	if (mode.backlog)
		read_backlog(&call.backlog, listener, true);
	if (!mode.graft || is_subflow(sk))
		accepted(sk, mode.backlog ? &call.backlog : NULL, true);
	else if (mode.backlog)
		remember(&call);
	return 0;
}

/* --- backend kprobe ------------------------------------------------------------------------------ */

SEC("?kprobe/inet_csk_accept")
int BPF_KPROBE(kprobe_inet_csk_accept, struct sock *listener)
{
	struct call call = { .listener = listener };

	remember(&call);
	return 0;
}

/* The TCP socket that makes an MPTCP connection; the MPTCP socket has no addresses yet. */
static __always_inline struct sock *carrier(struct sock *sk)
{
	if (BPF_CORE_READ(sk, sk_protocol) == IPPROTO_MPTCP && bpf_core_type_exists(struct mptcp_sock))
		return BPF_CORE_READ((struct mptcp_sock *)sk, first);
	return sk;
}

SEC("?kprobe/security_sock_graft")
int BPF_KPROBE(kprobe_security_sock_graft, struct sock *sk)
{
	struct sock *from = carrier(sk);

	/* Reset before it was accepted, the subflow has lost its ends; the MPTCP socket has them (6.1). */
	if (!BPF_CORE_READ(from, __sk_common.skc_dport))
		from = sk;
	if (is_tcp(sk, false))
		grafted(from, false);
	return 0;
}

SEC("?kretprobe/inet_csk_accept")
int BPF_KRETPROBE(kretprobe_inet_csk_accept, struct sock *sk)
{
	if (sk && BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP)
		grafted(sk, false);
	return 0;
}

/* --- backend tracepoint: the system calls, by their descriptors ---------------------------------- */

/* With --backlog; the listening socket is looked for again when the call returns. */
static __always_inline int accept_called(struct sys_enter *ctx)
{
	struct call call = { .fd = ctx->args[0] };
	struct socket *socket = socket_of_descriptor(call.fd);

	call.listener = BPF_CORE_READ(socket, sk);
	if (is_tcp(call.listener, false))
		remember(&call);
	return 0;
}

/* The queue of the listening socket, if the descriptor is still that of the socket that the call began with. */
static __always_inline bool listener_backlog(struct backlog *backlog)
{
	__u64 task = bpf_get_current_pid_tgid();
	struct call *found = bpf_map_lookup_elem(&calls, &task), call;
	struct socket *socket;

	if (!found)
		return false;
	call = *found;
	bpf_map_delete_elem(&calls, &task);
	socket = socket_of_descriptor(call.fd);
	if (BPF_CORE_READ(socket, sk) != call.listener)
		return false;
	read_backlog(backlog, carrier(call.listener), false);
	return true;
}

static __always_inline int accept_returned(struct sys_exit *ctx)
{
	struct backlog backlog = {};
	struct caller caller;
	struct socket *socket;
	struct sock *sk;
	bool known;

	known = mode.backlog && listener_backlog(&backlog);
	if (ctx->ret < 0)
		return 0;
	socket = socket_of_descriptor(ctx->ret);
	sk = BPF_CORE_READ(socket, sk);
	if (sk && !is_tcp(sk, false))
		return 0;
	/*
	 * Another thread has closed the descriptor already (a socket on its way out has no sock any
	 * more), and may have opened it as something else.
	 */
	if (!sk || BPF_CORE_READ(socket, state) != SS_CONNECTED) {
		if (who_wanted(&caller))
			count(half_seen);
		return 0;
	}
	accepted(sk, known ? &backlog : NULL, false);
	return 0;
}

SEC("?tracepoint/syscalls/sys_enter_accept")
int enter_accept(struct sys_enter *ctx)
{
	return accept_called(ctx);
}

SEC("?tracepoint/syscalls/sys_enter_accept4")
int enter_accept4(struct sys_enter *ctx)
{
	return accept_called(ctx);
}

SEC("?tracepoint/syscalls/sys_exit_accept")
int exit_accept(struct sys_exit *ctx)
{
	return accept_returned(ctx);
}

SEC("?tracepoint/syscalls/sys_exit_accept4")
int exit_accept4(struct sys_exit *ctx)
{
	return accept_returned(ctx);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
