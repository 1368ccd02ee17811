//! Which members of a workload injection may change although the user wrote them: what a tool that compares with Git has to
//! be told of. A part that only adds is not here, for a merge of three sides does not see it.

use crate::parts;
use crate::slots::kind::Kind;
use crate::slots::slot::{Form, Root};

/// The slots whose value may replace the user's own. `tests/gitops.rs` holds the parts to it.
fn forms() -> impl Iterator<Item = &'static Form> {
    let single = [
        &parts::GRACE,
        &parts::PRE_STOP,
        &parts::POST_START,
        // A 0 that is written out counts as none.
        &parts::MIN_READY,
    ];
    single.into_iter().chain(parts::SURGE)
}

/// The paths of these members of a kind, in jq's notation, as Argo CD's `jqPathExpressions` take them. None for a Pod,
/// which is in no Git.
#[must_use]
pub fn overwritten(kind: Kind) -> Vec<String> {
    if kind == Kind::Pod {
        return Vec::new();
    }
    let template = kind.template().replace('/', ".");
    let path = |form: &Form| {
        let root = match form.root {
            // Its type is set only where the user left it out.
            Root::Strategy => return None,
            Root::Rolling if kind.amounts().is_none() => return None,
            Root::Rolling => format!(".spec.{}.{}", kind.strategy(), kind.rolling()),
            Root::Spec => ".spec".to_owned(),
            Root::Template => template.clone(),
            Root::Pod => format!("{template}.spec"),
            Root::Container => format!("{template}.spec.containers[]"),
        };
        Some(format!("{root}.{}", form.path.join(".")))
    };
    forms().filter_map(path).collect()
}
