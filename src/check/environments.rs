//! Inputs that cannot be meant for one cluster: where the same object stands in two of them they are environments of one
//! application, `dev/` and `prod/`, and what stands in the one says nothing of the other.

use std::collections::HashMap;

use super::object::{Identity, Object};

/// Which inputs have nothing to do with each other.
#[derive(Debug, Default)]
pub(super) struct Environments<'a> {
    /// Of a folder and what is in it, the set of alternatives that that is one of.
    sets: HashMap<(&'a str, &'a str), usize>,
    /// The first object that stands in two inputs, these two, and how many such objects there are.
    seen: Option<(Identity<'a>, &'a str, &'a str)>,
    pub(super) number: usize,
}

impl<'a> Environments<'a> {
    pub(super) fn new(objects: &[Object<'a>]) -> Self {
        let mut all = Self::default();
        // One input, or a cluster, is apart from nothing.
        if objects.windows(2).all(|pair| pair[0].file == pair[1].file) {
            return all;
        }
        let mut files: HashMap<Identity<'a>, Vec<&'a str>> = HashMap::new();
        let mut order = Vec::new();
        for object in objects.iter().filter(|object| !object.file.is_empty()) {
            if let Some(identity) = object.identity() {
                let of = files.entry(identity).or_default();
                if of.is_empty() {
                    order.push(identity);
                }
                of.push(object.file);
            }
        }
        let mut parents = Vec::new();
        for identity in order {
            let mut of = files.remove(&identity).unwrap_or_default();
            // What is in one folder stands side by side then, so neighbours tell all that there is.
            of.sort_unstable();
            of.dedup();
            if let [first, second, ..] = *of {
                all.seen = all.seen.or(Some((identity, first, second)));
                all.number += 1;
            }
            for pair in of.windows(2) {
                let (folder, one, other) = fork(pair[0], pair[1]);
                let mut place = |name: &'a str| {
                    *all.sets.entry((folder, name)).or_insert_with(|| {
                        parents.push(parents.len());
                        parents.len() - 1
                    })
                };
                let (one, other) = (place(one), place(other));
                let (one, other) = (root(&parents, one), root(&parents, other));
                parents[other] = one;
            }
        }
        for set in all.sets.values_mut() {
            *set = root(&parents, *set);
        }
        all
    }

    /// Whether what stands in the one input has nothing to do with what stands in the other.
    pub(super) fn apart(&self, one: &str, other: &str) -> bool {
        if one == other || self.sets.is_empty() {
            return false;
        }
        let (folder, one, other) = fork(one, other);
        let set = self.sets.get(&(folder, one));
        set.is_some() && set == self.sets.get(&(folder, other))
    }

    /// The objects of those that may be together with what stands in a file, of the inputs nearest to it.
    pub(super) fn nearest(
        &self,
        file: &str,
        of: &[usize],
        objects: &[Object<'_>],
    ) -> impl Iterator<Item = usize> {
        let near = |at: usize| match objects[at].file {
            same if same == file => usize::MAX,
            other => fork(file, other).0.len(),
        };
        let together = of.iter().copied();
        let together: Vec<usize> = together
            .filter(|at| !self.apart(file, objects[*at].file))
            .collect();
        let most = together.iter().map(|at| near(*at)).max();
        let nearest: Vec<usize> = together
            .into_iter()
            .filter(|at| Some(near(*at)) == most)
            .collect();
        nearest.into_iter()
    }

    /// What is to be said of it.
    pub(super) fn remark(&self) -> Option<String> {
        let ((kind, namespace, name), one, other) = self.seen?;
        let others = match self.number - 1 {
            0 => String::new(),
            1 => ", and one more object in several inputs".to_owned(),
            more => format!(", and {more} more objects in several inputs"),
        };
        Some(format!(
            "{kind} {namespace}/{name} stands in {one} and in {other}{others}: they are judged as environments of their own, what \
             stands in one says nothing of another"
        ))
    }
}

fn root(parents: &[usize], mut at: usize) -> usize {
    while parents[at] != at {
        at = parents[at];
    }
    at
}

/// The folder that two paths have in common, with its last slash, and what leads to each in it.
fn fork<'p>(one: &'p str, other: &'p str) -> (&'p str, &'p str, &'p str) {
    let equal = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b);
    let equal = equal.count();
    let folder = one.as_bytes()[..equal]
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |at| at + 1);
    let next = |path: &'p str| {
        let rest = &path[folder..];
        rest.split_once('/').map_or(rest, |(name, _)| name)
    };
    (&one[..folder], next(one), next(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_fork_at_whole_names() {
        for (one, other, expected) in [
            ("dev/all.yaml", "prod/all.yaml", ("", "dev", "prod")),
            ("a/dev/x", "a/dev2/x", ("a/", "dev", "dev2")),
            ("a/x-1", "a/x-2", ("a/", "x-1", "x-2")),
            ("a", "a/b", ("", "a", "a")),
            ("ä/1", "ö/1", ("", "ä", "ö")),
        ] {
            assert_eq!(fork(one, other), expected);
        }
    }

    #[test]
    fn inputs_with_the_same_object_are_apart_and_others_are_not() {
        let service = |name: &str| json!({"metadata": {"name": name}});
        let (web, db) = (service("web"), service("db"));
        let at = |value, file| Object::new(value, "v1", "Service", "default").in_file(file);
        let objects = [
            at(&web, "e/dev/web.yaml"),
            at(&web, "e/prod/eu/web.yaml"),
            at(&web, "e/prod/us/web.yaml"),
            at(&db, "e/common.yaml"),
            at(&db, "f.yaml"),
            at(&db, "f.yaml"),
        ];
        let all = Environments::new(&objects);
        assert_eq!(all.number, 2);
        for (one, other, apart) in [
            ("e/dev/hpa.yaml", "e/prod/hpa.yaml", true),
            ("e/dev/hpa.yaml", "e/prod/us/hpa.yaml", true),
            ("e/prod/eu/hpa.yaml", "e/prod/us/hpa.yaml", true),
            ("e/prod/eu/hpa.yaml", "e/prod/hpa.yaml", false),
            ("e/dev/hpa.yaml", "e/dev/web.yaml", false),
            ("e/dev/hpa.yaml", "e/common.yaml", false),
            ("e/dev/hpa.yaml", "f.yaml", true),
            ("e/dev/hpa.yaml", "g.yaml", false),
        ] {
            assert_eq!(all.apart(one, other), apart, "{one} {other}");
            assert_eq!(all.apart(other, one), apart, "{other} {one}");
        }
    }
}
