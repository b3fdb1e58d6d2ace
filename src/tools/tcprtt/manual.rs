//! What the manual page says beyond the options.

use crate::tools::Manual;

pub const MANUAL: Manual =
    Manual { description: &[], examples: &[], backends: &[], differences: &[], overhead: &[], see_also: &[] };
