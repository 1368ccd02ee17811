//! What is asked about a workload and what may be answered, and what the parts go by: the user's own hooks, what can run in an
//! image, the nodes where the pod may land. Pure, like [`crate::engine`].

pub(crate) mod ask;
pub(crate) mod chain;
pub(crate) mod choose;
pub(crate) mod nodes;
pub(crate) mod own;
pub(crate) mod program;
pub(crate) mod report;
pub(crate) mod shell;
pub(crate) mod strategy;
pub(crate) mod wants;
