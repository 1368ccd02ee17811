//! What a rule is: its code, its severity, and what is said of it.

use std::fmt;
use std::str::FromStr;

use super::table::RULES;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Requests are lost under circumstances that come.
    Warning,
    /// Requests are lost at every rollout, or a rollout cannot go on.
    Error,
}

impl Severity {
    /// All there are, the mildest first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Error];

    /// The word in outputs and flags.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|known| known.name() == text);
        known.ok_or_else(|| "allowed is error, warning or info".to_owned())
    }
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name in the code.
    pub(super) id: Id,
    /// Stable: it never changes its meaning.
    pub code: &'static str,
    /// How bad its findings are.
    pub severity: Severity,
    /// What is found, in a few words.
    pub title: &'static str,
    /// What happens to callers' requests.
    pub harm: &'static str,
    /// What to do.
    pub advice: &'static str,
    /// Its page, with a bad and a good manifest and the source.
    pub page: &'static str,
}

impl Rule {
    /// Where its page stands in the project.
    #[must_use]
    pub fn page_path(&self) -> String {
        format!("docs/check/{}.md", self.code)
    }

    /// Finds a rule by its code.
    #[must_use]
    pub fn find(code: &str) -> Option<&'static Self> {
        RULES.iter().find(|rule| rule.code == code)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl Id {
    /// The rule of that name.
    #[must_use]
    pub(super) fn rule(self) -> &'static Rule {
        let rule = RULES.iter().find(|rule| rule.id == self);
        // A test holds that each name has its row.
        rule.unwrap_or(&RULES[0])
    }
}

/// The names of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Id {
    Sr001,
    Sr101,
    Sr102,
    Sr103,
    Sr104,
    Sr105,
    Sr106,
    Sr107,
    Sr108,
    Sr109,
    Sr110,
    Sr201,
    Sr202,
    Sr203,
    Sr204,
    Sr205,
    Sr206,
    Sr207,
    Sr301,
    Sr302,
    Sr303,
    Sr401,
    Sr402,
    Sr403,
    Sr404,
    Sr405,
    Sr501,
    Sr502,
    Sr503,
    Sr504,
    Sr601,
    Sr602,
    Sr603,
    Sr604,
}
