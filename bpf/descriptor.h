/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* From a file descriptor of the current task to its socket. */
#pragma once
#include "kernel.h"

/* The socket behind descriptor `fd`, NULL where it is none. */
static __always_inline struct socket *socket_of_descriptor(int fd)
{
	/* Not bpf_get_current_task_btf: 5.10 does not have it. */
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file *file = NULL;

	if (fd < 0 || (__u32)fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + fd);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	return BPF_CORE_READ(file, private_data);
}
