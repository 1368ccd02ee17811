//! What a decision tells must be fit to be shown, whatever came in.

use silkroll::engine::Decision;

/// kubectl is sure to show as much of a warning.
const WARNING: usize = 250;
/// A denial lists what is wrong, ten things at most.
const DENIAL: usize = 2_000;

/// Cut, on one line, and nothing in it unseen.
pub(crate) fn check(decision: &Decision) {
    for warning in &decision.warnings {
        fits(warning, WARNING);
    }
    if let Some(denial) = &decision.denial {
        fits(denial, DENIAL + 1);
    }
    for step in &decision.steps {
        assert!(one_line(&step.text), "{:?} is not one line", step.text);
    }
}

pub(crate) fn fits(text: &str, most: usize) {
    assert!(
        text.chars().count() < most,
        "{} characters: {text:?}",
        text.chars().count()
    );
    assert!(one_line(text), "{text:?} is not one line");
}

fn one_line(text: &str) -> bool {
    let unseen =
        |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}');
    !text.contains(unseen)
}
