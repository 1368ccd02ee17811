//! What a workload is read into, and how a field of ours is put into it, taken out, compared and recorded: the same for all of
//! them, whatever they are for. Pure, like [`crate::engine`].

pub(crate) mod bare;
pub(crate) mod carry;
pub(crate) mod diff;
pub(crate) mod fingerprint;
pub(crate) mod json;
pub(crate) mod kind;
pub(crate) mod record;
pub(crate) mod sent;
pub(crate) mod slot;
pub(crate) mod strict;
pub(crate) mod tree;
pub(crate) mod view;
