/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The kernel types that the programs read: of each struct only the fields in use. libbpf finds a
 * field's real place at load (CO-RE), so order and size here mean nothing, and a 130,000-line
 * vmlinux.h is not needed.
 */
#pragma once

/* bpf_tracing.h then takes the kernel's names for the registers in pt_regs, as below. */
#define __VMLINUX_H__

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

enum { AF_UNSPEC = 0, AF_INET = 2, AF_INET6 = 10 };
enum { SOCK_STREAM = 1 };
enum socket_state { SS_UNCONNECTED = 1, SS_CONNECTED = 3 };
enum { IPPROTO_TCP = 6, IPPROTO_MPTCP = 262 };
enum {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT = 2,
	TCP_SYN_RECV = 3,
	TCP_FIN_WAIT1 = 4,
	TCP_FIN_WAIT2 = 5,
	TCP_CLOSE = 7,
	TCP_LAST_ACK = 9,
	TCP_LISTEN = 10,
	TCP_CLOSING = 11,
};
enum { SOCK_DONE = 1 }; /* a bit of skc_flags: the peer's FIN was worked off */
enum { CLONE_THREAD = 0x10000 };
enum { S_IFMT = 0170000, S_IFSOCK = 0140000 };
enum { EINTR = 4, EFAULT = 14, EEXIST = 17, EISCONN = 106, EALREADY = 114, EINPROGRESS = 115 };
enum { ERESTARTSYS = 512, ERESTART_RESTARTBLOCK = 516 };

/* What libbpf's headers name from the kernel's uapi headers. */
enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_CGROUP_ARRAY = 8,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_LPM_TRIE = 11,
	BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
	BPF_MAP_TYPE_RINGBUF = 27
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1 };
enum { BPF_F_NO_PREALLOC = 1 };

struct bpf_pidns_info {
	__u32 pid;
	__u32 tgid;
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8;
	unsigned long ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs {
	__u64 regs[31];
	__u64 sp, pc, pstate;
};
struct pt_regs;
#endif

/* Sockets, and namespaces. */

/* Of the kernel's structs there is only what is read, so their holes mean nothing. */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpadded"
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct in6_addr {
	union {
		__u8 u6_addr8[16];
		__be32 u6_addr32[4];
	} in6_u;
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__u64 skc_addrpair; /* the two before, in this order */
	__be16 skc_dport;
	__u16 skc_num;	    /* the local port, host byte order; 0 while there is none */
	__u32 skc_portpair; /* the two before, in this order */
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned long skc_flags;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

typedef struct {
	__u32 val;
} kuid_t;

typedef struct {
	int owned;
} socket_lock_t;

struct sock {
	struct sock_common __sk_common;
	socket_lock_t sk_lock;
	kuid_t sk_uid;
	struct sock_cgroup_data sk_cgrp_data;
	__u16 sk_type;
	__u16 sk_protocol;
	int sk_err;
	__u32 sk_ack_backlog;	  /* of a listening socket: connections that wait for accept */
	__u32 sk_max_ack_backlog; /* and how many may */
};

struct inet_sock {
	__be16 inet_sport; /* the local port, kept after the socket gave it back */
};

struct tcp_congestion_ops {
	char name[16];
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	const struct tcp_congestion_ops *icsk_ca_ops;
};

struct minmax_sample {
	__u32 t;
	__u32 v;
};

struct minmax {
	struct minmax_sample s[3];
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 segs_in;
	__u32 segs_out;	      /* 0 until the SYN leaves */
	__u64 bytes_received; /* with the peer's FIN */
	__u64 bytes_sent;     /* with what was sent again; neither SYN nor FIN */
	__u64 bytes_retrans;
	__u64 bytes_acked; /* the SYN among them: 0 until the peer has accepted it */
	__u32 srtt_us;	   /* eight times the smoothed round-trip time; 0 until one was measured */
	struct minmax rtt_min;
	__u32 total_retrans;
	__u32 lost;
	__u32 dsack_dups;
	__u32 rcv_ooopack;
	bool is_mptcp; /* a subflow */
};

struct mptcp_sock {
	struct sock *first; /* a listening one: the TCP socket that it listens by */
};

struct proto_accept_arg {
	int flags;
};

/* From a file descriptor to its socket. */

struct inode {
	unsigned short i_mode;
};

struct file {
	struct inode *f_inode;
	void *private_data;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct socket {
	enum socket_state state;
	struct sock *sk;
};

/* A PID as each namespace above the task sees it. */

struct pid_namespace {
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct cred {
	kuid_t uid;
};

struct task_struct {
	int pid;
	int tgid;
	const struct cred *real_cred;
	char comm[16];
	struct files_struct *files;
	struct task_struct *group_leader;
	struct pid *thread_pid;
};

/* What an iterator over the open files of all tasks gets. */
struct bpf_iter__task_file {
	struct task_struct *task;
	struct file *file;
};

/* Helpers that not every kernel has. */
enum bpf_func_id { BPF_FUNC_sock_from_file = 162 };

#pragma clang attribute pop
#pragma clang diagnostic pop

/* What connect(2) was called with; uapi, so the layout is fixed. */

struct sockaddr_in {
	__u16 sin_family;
	__be16 sin_port;
	__be32 sin_addr;
};

struct sockaddr_in6 {
	__u16 sin6_family;
	__be16 sin6_port;
	__be32 sin6_flowinfo;
	__u8 sin6_addr[16];
	__u32 sin6_scope_id;
};

/* What a system call's tracepoints carry; the first eight bytes are the tracer's own. */

struct sys_enter {
	__u64 common;
	long nr;
	unsigned long args[6];
};

struct sys_exit {
	__u64 common;
	long nr;
	long ret;
};

/* What a raw_tp program gets; BPF_PROG_TEST_RUN gives it up to so many (MAX_BPF_FUNC_ARGS). */
struct raw_tp_args {
	__u64 args[12];
};

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>
