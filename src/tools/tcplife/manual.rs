//! What the manual page says beyond the options.

use crate::tool::Difference;
use crate::tool::Manual;

pub const TX_BYTES: &str = "Bytes of the process that were sent, each counted once; KiB in the table.";
pub const RX_BYTES: &str =
    "Bytes that were received in order, whether or not the process has read them; KiB in the table.";
pub const DURATION: &str = "How long it lasted on this side: from the first SYN to the end of the socket, without TIME_WAIT; \
     milliseconds in the table. Unknown where tracing did not see it begin.";
pub const RETRANSMITS: &str = "Segments that were sent again.";
pub const SRTT: &str = "Smoothed round-trip time at the end; milliseconds in the table.";
pub const MIN_RTT: &str = "Least round-trip time of the last five minutes; milliseconds in the table.";
pub const END: &str = "How it ended: `fin` (both sides closed it), `reset` (by the other side), `aborted` (by this side, without \
     a FIN of both), `timeout`, `refused` (a connect), or `failed` (see `error`).";
pub const RCV_OOO: &str = "Segments that were received out of order.";
pub const DSACK: &str = "Segments that the other side received twice, as it says itself.";
pub const LOST: &str = "Segments that were taken for lost.";
pub const PID_FROM: &str = "How the process is known: it made the connection (`connect`), accepted it (`accept`), was the first that \
     was seen to receive from it (`recv`) or to close it (`close`), or had it open when tracing began (`open`).";
pub const SHARED: &str =
    "Several processes had it open when tracing began, of which the one with the lowest PID is shown.";

pub const MANUAL: Manual =
    Manual { description: &[], examples: &[], backends: &[], differences: DIFFERENCES, overhead: &[], see_also: &[] };

const DIFFERENCES: &[Difference] = &[];
