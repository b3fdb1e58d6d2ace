// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * tcpconnect: active TCP connection attempts. The programs of each backend; what they have in common
 * is in tcpconnect.h.
 */
#include "kernel.h"
#include "descriptor.h"
#include "tcpconnect.h"
#include "state_record.h"
#include "tracepoints.h"

/* --- backend fentry: the fexit program of a function has its arguments and its result; no map --- */

/*
 * The destination that a failed call asked for: the socket may have none, or an old one. Behind a typed
 * pointer the verifier lets us load only the first half of an IPv6 address (5.10 to 6.12), hence the copy.
 * Where lockdown forbids that, the socket's own address is taken if its first half is the same.
 */
static __always_inline void read_destination(struct endpoints *ends, struct sock *sk, const void *uaddr, int addr_len,
					     const bool typed)
{
	const struct sockaddr_in *in = uaddr;
	const struct sockaddr_in6 *in6 = uaddr;
	struct sockaddr_in asked = {};

	if (typed) {
		asked.sin_family = in->sin_family;
		asked.sin_port = in->sin_port;
		asked.sin_addr = in->sin_addr;
	} else {
		bpf_probe_read_kernel(&asked, sizeof(asked), uaddr);
	}
	ends->dport = addr_len >= 16 ? bpf_ntohs(asked.sin_port) : 0;
	ends->daddr_known = false;
	__builtin_memset(ends->daddr, 0, sizeof(ends->daddr));
	if (asked.sin_family == AF_INET && addr_len >= 16) {
		ends->ip = 4;
		put_u32(ends->daddr, asked.sin_addr);
		ends->daddr_known = true;
	} else if (asked.sin_family == AF_INET6 && addr_len >= 24) { /* SIN6_LEN_RFC2133 */
		ends->ip = 6;
		if (!typed || options.may_copy) {
			bpf_probe_read_kernel(ends->daddr, sizeof(ends->daddr), in6->sin6_addr);
			ends->daddr_known = true;
		} else if (bpf_core_field_exists(sk->__sk_common.skc_v6_daddr) &&
			   READ(typed, sk, __sk_common.skc_family) == AF_INET6) {
			const __u32 *half = (const __u32 *)in6->sin6_addr;

			READ_V6(typed, ends->daddr, sk, skc_v6_daddr);
			ends->daddr_known = get_u32(ends->daddr) == half[0] && get_u32(ends->daddr + 4) == half[1];
		}
		unmap_v4(ends);
	}
}

/* tcp_v4_connect or tcp_v6_connect, but not the former inside the latter (is_inner_call), returned `ret`. */
static __always_inline void connect_returned(struct sock *sk, const void *uaddr, int addr_len, int ret, bool v6,
					     const bool typed)
{
	__u64 key = (__u64)sk;
	struct endpoints ends = {};
	struct event *row;

	if (mode.wait_for_outcome) {
		struct attempt *attempt = bpf_map_lookup_elem(&in_flight, &key);

		if (attempt) {
			attempt->row.ends.sport = READ(typed, sk, __sk_common.skc_num) ?: attempt->row.ends.sport;
			call_returned(attempt, key, ret);
			return;
		}
		if (ret == 0)
			return; /* the attempt has ended already (TCP_REPAIR), or is not wanted */
	}
	read_socket(&ends, sk, v6 ? AF_INET6 : AF_INET, typed);
	if (ret < 0)
		read_destination(&ends, sk, uaddr, addr_len, typed);
	row = new_row(&ends);
	if (!row)
		return;
	if (ret < 0)
		failed_at_once(row, ret);
	bpf_ringbuf_submit(row, 0);
}

/* For an IPv4-mapped address tcp_v6_connect calls tcp_v4_connect: one attempt, which the outer call shows. */
static __always_inline bool is_inner_call(struct sock *sk, const bool typed)
{
	return READ(typed, sk, __sk_common.skc_family) == AF_INET6;
}

SEC("?fexit/tcp_v4_connect")
int BPF_PROG(fexit_tcp_v4_connect, struct sock *sk, const void *uaddr, int addr_len, int ret)
{
	if (!is_inner_call(sk, true))
		connect_returned(sk, uaddr, addr_len, ret, false, true);
	return 0;
}

SEC("?fexit/tcp_v6_connect")
int BPF_PROG(fexit_tcp_v6_connect, struct sock *sk, const void *uaddr, int addr_len, int ret)
{
	connect_returned(sk, uaddr, addr_len, ret, true, true);
	return 0;
}

/* --- backend kprobe: the arguments wait for the return ------------------------------------------ */

/*
 * An entry that is there already is from a call whose return the kernel did not show us. Its row is
 * lost, unless the state tracepoint has seen its attempt.
 */
static __always_inline void note_call_in_map(__u64 task, const struct call *call)
{
	struct call *last = bpf_map_lookup_elem(&calls, &task);

	if (last && !last->attempted)
		count(half_seen);
	if (bpf_map_update_elem(&calls, &task, call, BPF_ANY))
		count(map_full);
}

/*
 * A call is noted in the slot of the CPU where it began: an update, a lookup and a delete took 800
 * instructions more (6.12). It is noted in `calls` where a call that sleeps has the slot, or where its
 * attempt has to find it. A free slot is taken by its own CPU only, and probes run with preemption off; it
 * is freed only by the thread that has it.
 */
static __always_inline void note_call(__u64 task, const struct call *call)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct slot *slot = bpf_map_lookup_elem(&slots, &cpu);

	if (mode.returns == RETURNS_OF_CALLS || !slot || (slot->task && slot->task != task)) {
		note_call_in_map(task, call);
		return;
	}
	if (slot->task) /* from a call whose return the kernel did not show us */
		count(half_seen);
	slot->call = *call;
	slot->task = task;
}

/* Whether the slot has a call of this thread; that is taken out unless it is not the one that returns. */
static __always_inline bool is_in_slot(__u32 cpu, __u64 task, bool v6, struct call *call, bool *taken)
{
	struct slot *slot = bpf_map_lookup_elem(&slots, &cpu);

	if (!slot || slot->task != task)
		return false;
	*taken = slot->call.v6 == v6;
	if (*taken) {
		*call = slot->call;
		slot->task = 0;
	}
	return true;
}

/* Takes out the note of the call of this thread that now returns. False where there is none: it is an inner one, say.
 */
static __always_inline bool take_call(__u64 task, bool v6, struct call *call)
{
	struct call *found;
	bool taken = false;

	if (is_in_slot(bpf_get_smp_processor_id(), task, v6, call, &taken))
		return taken;
	found = bpf_map_lookup_elem(&calls, &task);
	if (found) {
		if (found->v6 != v6)
			return false;
		*call = *found;
		bpf_map_delete_elem(&calls, &task);
		return true;
	}
	/* The thread has moved to another CPU meanwhile. */
	for (__u32 cpu = 0; cpu < MAX_CPUS && cpu < mode.cpus; cpu++)
		if (is_in_slot(cpu, task, v6, call, &taken))
			return taken;
	return false;
}

static __always_inline void connect_called(struct sock *sk, const void *uaddr, int addr_len, bool v6)
{
	struct call call = { .sk = sk, .uaddr = uaddr, .addr_len = addr_len, .v6 = v6 };
	struct caller caller;

	/* What nobody wants to see cannot be lost. */
	if (ends_filter.on) {
		struct endpoints ends = { .ip = v6 ? 6 : 4 };

		read_netns(&ends, sk, false);
		read_destination(&ends, sk, uaddr, addr_len, false);
		if (!remote_end_wanted(&ends))
			return;
	}
	if (who_wanted(&caller))
		note_call(bpf_get_current_pid_tgid(), &call);
}

static __always_inline void called_function_returned(int ret, bool v6)
{
	struct caller caller;
	struct call call;

	/* Again, as at the entry: only calls of wanted threads are noted, and this is cheaper than to look for one. */
	if (who_filter.on && !who_wanted(&caller))
		return;
	if (take_call(bpf_get_current_pid_tgid(), v6, &call))
		connect_returned(call.sk, call.uaddr, call.addr_len, ret, v6, false);
}

SEC("?kprobe/tcp_v4_connect")
int BPF_KPROBE(kprobe_tcp_v4_connect, struct sock *sk, const void *uaddr, int addr_len)
{
	if (!is_inner_call(sk, false))
		connect_called(sk, uaddr, addr_len, false);
	return 0;
}

SEC("?kprobe/tcp_v6_connect")
int BPF_KPROBE(kprobe_tcp_v6_connect, struct sock *sk, const void *uaddr, int addr_len)
{
	connect_called(sk, uaddr, addr_len, true);
	return 0;
}

SEC("?kretprobe/tcp_v4_connect")
int BPF_KRETPROBE(kretprobe_tcp_v4_connect, int ret)
{
	called_function_returned(ret, false);
	return 0;
}

SEC("?kretprobe/tcp_v6_connect")
int BPF_KRETPROBE(kretprobe_tcp_v6_connect, int ret)
{
	called_function_returned(ret, true);
	return 0;
}

/* --- backend tracepoint, and the outcomes of all backends --------------------------------------- */

SEC("?tp_btf/inet_sock_set_state")
int BPF_PROG(btf_inet_sock_set_state, struct sock *sk, int from, int to)
{
	__u64 key = (__u64)sk;

	if (sk->sk_protocol != IPPROTO_TCP) /* an MPTCP socket's attempts are its subflows' */
		return 0;
	if (is_start(from, to)) {
		struct endpoints at = {};

		read_socket(&at, sk, sk->__sk_common.skc_family, true);
		attempt_started(&at, rows_wait() ? remembered_port(sk, true) : 0, key);
	} else if (rows_wait() && is_end(from, to)) {
		struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

		attempt_ended(key, to, remembered_port(sk, true), sk->sk_err, tp && tp->segs_out);
	}
	return 0;
}

/* Whatever is still kept for a socket ends with it. */
static __always_inline void socket_ended(struct attempt *attempt, __u64 key, __u16 sport, enum result result, int error)
{
	if (attempt->ended) { /* the kernel did not show the return that it waits for */
		finish(attempt, key, attempt->row.result, attempt->row.error);
		return;
	}
	attempt->row.ends.sport = sport ?: attempt->row.ends.sport;
	finish(attempt, key, result, result == RESULT_FAILED ? error : 0);
}

SEC("?tp_btf/tcp_destroy_sock")
int BPF_PROG(btf_tcp_destroy_sock, struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct attempt *attempt = bpf_map_lookup_elem(&in_flight, &key);
	struct tcp_sock *tp;

	if (!attempt)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	socket_ended(attempt, key, remembered_port(sk, true), told_by_socket(tp ? tp->bytes_acked : 0, sk->sk_err),
		     sk->sk_err);
	return 0;
}

/* With -L an attempt that nobody answers need not be waited for: when its SYN is sent again, the port is known. */
static __always_inline void syn_resent(__u64 key, __u16 sport)
{
	struct attempt *attempt = bpf_map_lookup_elem(&in_flight, &key);

	if (!attempt)
		return;
	attempt->row.ends.sport = sport;
	finish(attempt, key, RESULT_UNKNOWN, 0);
}

SEC("?tp_btf/tcp_retransmit_skb")
int BPF_PROG(btf_tcp_retransmit_skb, struct sock *sk)
{
	if (sk->__sk_common.skc_state == TCP_SYN_SENT)
		syn_resent((__u64)sk, sk->__sk_common.skc_num);
	return 0;
}

/*
 * With -x or --outcome: calls that fail before their SYN, which the state tracepoint does not see.
 * These two tracepoints make every system call on the machine slower, so nothing else loads them.
 */
SEC("?tracepoint/syscalls/sys_enter_connect")
int enter_connect(struct sys_enter *ctx)
{
	__u64 task = bpf_get_current_pid_tgid();
	struct call call = {
		.uaddr = (const void *)ctx->args[1],
		.addr_len = ctx->args[2],
		.ts = bpf_ktime_get_boot_ns(),
	};

	if (mode.uses_btf) {
		struct socket *socket = socket_of_descriptor(ctx->args[0]);
		struct sock *sk = BPF_CORE_READ(socket, sk);

		/* A repeated connect() on a socket that is under way or done is no new attempt. */
		if (!is_tcp(sk, false) || BPF_CORE_READ(socket, state) != SS_UNCONNECTED ||
		    BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_CLOSE) {
			bpf_map_delete_elem(&calls, &task); /* of a call whose return was skipped */
			return 0;
		}
		call.sk = sk;
	}
	if (bpf_map_update_elem(&calls, &task, &call, BPF_ANY))
		count(map_full);
	return 0;
}

/* The address in user memory is read only now: at the entry its page may not have been touched yet. */
static __always_inline void syscall_failed_at_once(struct call *call, long ret)
{
	struct sockaddr_in6 addr = {};
	struct endpoints ends = {};
	struct sock *sk = call->sk;
	__u32 len = call->addr_len;
	struct event *row;

	if (len > sizeof(addr))
		len = sizeof(addr);
	if (bpf_probe_read_user(&addr, len, call->uaddr))
		return;
	if (addr.sin6_family == AF_UNSPEC) /* asks to disconnect */
		return;
	read_socket(&ends, sk, READ(false, sk, __sk_common.skc_family), false);
	read_destination(&ends, sk, &addr, call->addr_len, false);
	row = new_row(&ends);
	if (!row)
		return;
	row->origin.ts = call->ts;
	failed_at_once(row, ret);
	bpf_ringbuf_submit(row, 0);
}

SEC("?tracepoint/syscalls/sys_exit_connect")
int exit_connect(struct sys_exit *ctx)
{
	__u64 task = bpf_get_current_pid_tgid();
	struct call *found = bpf_map_lookup_elem(&calls, &task), call;
	struct attempt *attempt;
	__u64 key;

	if (!found)
		return 0;
	call = *found;
	bpf_map_delete_elem(&calls, &task);
	key = (__u64)call.attempted;
	if (!key) {
		if (mode.uses_btf && !tells_nothing(ctx->ret))
			syscall_failed_at_once(&call, ctx->ret);
		return 0;
	}
	attempt = bpf_map_lookup_elem(&in_flight, &key);
	if (attempt && attempt->task == task)
		call_returned(attempt, key, ctx->ret);
	return 0;
}

/* --- the same two state tracepoints without BTF: offsets from their format, no CO-RE ------------ */

struct tcp_retransmit_skb_fields {
	OFFSET(8) skaddr;
	OFFSET(4) state;
	OFFSET(2) sport;
};

LAYOUT(tcp, tcp_retransmit_skb);

/*
 * The source port that the socket holds now, 0 if none: the record's own may be left from the
 * socket's last connection. The head is believed only where it agrees with what is known of the socket.
 */
static __always_inline __u16 held_port(__u64 sk, __u16 dport, int state)
{
	struct head head = {};

	bpf_probe_read_kernel(&head, sizeof(head), (void *)sk);
	if (bpf_ntohs(head.dport) != dport || head.state != state)
		return 0;
	return head.family == AF_INET || head.family == AF_INET6 ? head.num : 0;
}

/*
 * Sockets whose beginning the classic program has seen, until the raw one, which runs next, has seen it too.
 * LRU: where the raw one is skipped, an entry stays until its place is needed.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* more in the classic form */
	__type(key, __u64);	/* struct sock * */
	__type(value, __u8);
} begun SEC(".maps");

/* Of IPv6 the head has no addresses: what may be wanted may be lost. */
static __always_inline bool may_be_wanted(const struct head *head)
{
	struct endpoints ends = {
		.sport = head->num,
		.dport = bpf_ntohs(head->dport),
		.ip = ip_of(head),
		.daddr_known = true,
	};

	if (ends.ip == 6)
		return version_wanted(&ends) && remote_port_wanted(&ends);
	put_u32(ends.saddr, head->rcv_saddr);
	put_u32(ends.daddr, head->daddr);
	return ends_wanted(&ends);
}

/*
 * The kernel skips classic programs while another one, or a bpf(2) map operation, is under way on the
 * same CPU: of 50 ends in the timer softirq the classic program saw none (6.18), of 21,316 beginnings on a
 * preemptible kernel it missed 19,600 (7.3). A raw program is skipped (since 6.1) only where it is itself
 * under way on that CPU. The raw program runs after the classic one, and so knows what the classic one
 * missed: it handles those ends, and counts those beginnings, as it cannot tell their addresses.
 * It must stand above the classic one: programs are attached from the end of the file.
 */
SEC("?raw_tp/inet_sock_set_state")
int BPF_PROG(raw_inet_sock_set_state, void *sk, int from, int to)
{
	__u64 key = (__u64)sk;

	if (is_start(from, to)) {
		struct head head = {};
		struct caller caller;

		if (!bpf_map_delete_elem(&begun, &key))
			return 0;
		bpf_probe_read_kernel(&head, sizeof(head), sk);
		if (may_be_wanted(&head) && who_wanted(&caller))
			count(half_seen);
	} else if (rows_wait() && is_end(from, to)) {
		struct attempt *attempt = bpf_map_lookup_elem(&in_flight, &key);

		if (attempt)
			attempt_ended(key, to, held_port(key, attempt->row.ends.dport, from), SK_ERR_UNREADABLE, false);
	}
	return 0;
}

/* Both programs were skipped. What the socket says of the end cannot be read without BTF. */
SEC("?raw_tp/tcp_destroy_sock")
int BPF_PROG(raw_tcp_destroy_sock, void *sk)
{
	__u64 key = (__u64)sk;
	struct attempt *attempt = bpf_map_lookup_elem(&in_flight, &key);

	if (attempt)
		socket_ended(attempt, key, 0, RESULT_UNKNOWN, 0);
	return 0;
}

SEC("?tracepoint/sock/inet_sock_set_state")
int classic_inet_sock_set_state(void *ctx)
{
	__u16 protocol = 0, sport = 0;
	int from = 0, to = 0;
	__u64 key = 0;

	FIELD(ctx, inet_sock_set_state, protocol, &protocol);
	FIELD(ctx, inet_sock_set_state, oldstate, &from);
	FIELD(ctx, inet_sock_set_state, newstate, &to);
	FIELD(ctx, inet_sock_set_state, skaddr, &key);
	if (is_start(from, to)) {
		__u8 seen = true;

		bpf_map_update_elem(&begun, &key, &seen, BPF_ANY);
	}
	if (protocol != IPPROTO_TCP)
		return 0;
	if (is_start(from, to)) {
		struct endpoints at = {};

		read_record(&at, ctx);
		sport = at.sport;
		at.sport = held_port(key, at.dport, TCP_CLOSE);
		attempt_started(&at, sport, key);
	} else if (rows_wait() && is_end(from, to)) {
		FIELD(ctx, inet_sock_set_state, sport, &sport);
		attempt_ended(key, to, sport, SK_ERR_UNREADABLE, false);
	}
	return 0;
}

SEC("?tracepoint/tcp/tcp_retransmit_skb")
int classic_tcp_retransmit_skb(void *ctx)
{
	__u16 sport = 0;
	int state = 0;
	__u64 key = 0;

	FIELD(ctx, tcp_retransmit_skb, state, &state);
	FIELD(ctx, tcp_retransmit_skb, sport, &sport);
	FIELD(ctx, tcp_retransmit_skb, skaddr, &key);
	if (state == TCP_SYN_SENT)
		syn_resent(key, sport);
	return 0;
}

/* --- the last look: run by user space, once the programs above are detached -------------------- */

/* What a socket says of the attempt that is kept for it in `in_flight`. */
struct state {
	__u64 bytes_acked;
	int state;
	int sk_err;
	__u16 sport;
	bool same; /* the socket is still about that attempt */
	__u8 unused[5];
};

static __always_inline bool same_address(const __u8 *one, const __u8 *other)
{
	return get_u32(one) == get_u32(other) && get_u32(one + 4) == get_u32(other + 4) &&
	       get_u32(one + 8) == get_u32(other + 8) && get_u32(one + 12) == get_u32(other + 12);
}

static __always_inline void read_state(struct state *now, struct sock *sk, const struct endpoints *was)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;
	struct endpoints ends = {};

	now->state = BPF_CORE_READ(sk, __sk_common.skc_state);
	read_socket(&ends, sk, BPF_CORE_READ(sk, __sk_common.skc_family), false);
	now->same = ends.ip == was->ip && ends.dport == was->dport && same_address(ends.daddr, was->daddr);
	now->sport = remembered_port(sk, false);
	now->bytes_acked = BPF_CORE_READ(tp, bytes_acked);
	now->sk_err = BPF_CORE_READ(sk, sk_err);
}

static __always_inline void read_head(struct state *now, void *sk, const struct endpoints *was)
{
	struct head head = {};

	bpf_probe_read_kernel(&head, sizeof(head), sk);
	now->state = head.state;
	now->same = ip_of(&head) == was->ip && bpf_ntohs(head.dport) == was->dport &&
		    (was->ip == 6 || head.daddr == get_u32(was->daddr));
	now->sport = head.num;
}

/*
 * The program that sees an attempt end may have been skipped, while its descriptor is still open. The socket may also
 * be gone, and its memory be another's: hence the copies, which may be of any address, and the comparison.
 */
static __noinline int look_at(__u64 key)
{
	struct attempt *attempt = bpf_map_lookup_elem(&in_flight, &key);
	enum result result = RESULT_UNKNOWN;
	struct state now = {};

	if (!attempt || attempt->ended)
		return 0;
	if (mode.uses_btf)
		read_state(&now, (struct sock *)key, &attempt->row.ends);
	else
		read_head(&now, (void *)key, &attempt->row.ends);
	if (now.same) {
		attempt->row.ends.sport = now.sport ?: attempt->row.ends.sport;
		if (now.state == TCP_SYN_SENT || now.state == TCP_SYN_RECV)
			return 0;
		if (now.state != TCP_CLOSE)
			result = RESULT_OK;
		else if (mode.uses_btf)
			result = told_by_socket(now.bytes_acked, now.sk_err);
	}
	if (mode.failed_only && result == RESULT_OK) {
		forget(attempt, key);
		return 0;
	}
	if (mode.wait_for_outcome) {
		attempt->row.result = result;
		attempt->row.error = result == RESULT_FAILED ? now.sk_err : 0;
	}
	attempt->ended = true;
	return 0;
}

/* Looks at the sockets whose addresses it gets; 0 is none. */
SEC("?raw_tp")
int last_look(struct raw_tp_args *ctx)
{
	look_at(ctx->args[0]);
	look_at(ctx->args[1]);
	look_at(ctx->args[2]);
	look_at(ctx->args[3]);
	look_at(ctx->args[4]);
	look_at(ctx->args[5]);
	look_at(ctx->args[6]);
	look_at(ctx->args[7]);
	look_at(ctx->args[8]);
	look_at(ctx->args[9]);
	look_at(ctx->args[10]);
	look_at(ctx->args[11]);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
