// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* No program: the types that every tool shares with user space, which are crate::kernel::types there. */
#include "kernel.h"
#include "counters.h"
#include "event.h"
#include "histogram.h"

const struct origin *unused_origin __attribute__((unused));
const enum who_limits *unused_limits __attribute__((unused));
const struct endpoints *unused_endpoints __attribute__((unused));
const enum histogram_limits *unused_histogram_limits __attribute__((unused));
const struct common *unused_common __attribute__((unused));

char LICENSE[] SEC("license") = "Dual MIT/GPL";
