//! Where findings are said to stand, and what is ignored there.

use std::collections::BTreeSet;

use super::{WEB, codes, found};

#[test]
fn a_finding_names_the_line_of_its_field_or_of_what_it_would_stand_in() {
    let web = WEB.replace("replicas: 2", "replicas: 1");
    let json = "{\n\"apiVersion\": \"apps/v1\", \"kind\": \"Deployment\",\n\"spec\": {\"selector\": {},\n \"replicas\": 1,\n \"template\": {\"spec\": {\n  \"containers\": [\n   {\"name\": \"a\", \"image\": \"a\",\n    \"ports\": [{\"containerPort\": 1}]}]}}}}\n";
    let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: apps/v1\n  kind: Deployment\n  spec:\n    replicas: 1\n    template:\n      spec:\n        containers:\n        - image: a\n          name: a\n          ports: [{containerPort: 1}]\n";
    let anchored = "x: &c\n  name: a\n  image: a\n  ports: [{containerPort: 1}]\napiVersion: apps/v1\nkind: Deployment\nspec:\n  selector: {}\n  replicas: 1\n  template:\n    spec:\n      containers:\n      - *c\n";
    for (what, input, expected) in [
        ("YAML", web.clone(), vec![("SR301", 6), ("SR101", 12)]),
        (
            "below a separator",
            format!("# a\n---\n# b\n---\n{web}"),
            vec![("SR301", 10), ("SR101", 16)],
        ),
        (
            "no line end",
            web.trim_end().to_owned(),
            vec![("SR301", 6), ("SR101", 12)],
        ),
        (
            "absent",
            web.replace("  replicas: 1\n", ""),
            vec![("SR301", 5), ("SR101", 11)],
        ),
        ("JSON", json.to_owned(), vec![("SR301", 4), ("SR101", 7)]),
        ("a List", list.to_owned(), vec![("SR301", 7), ("SR101", 11)]),
        (
            "an alias",
            anchored.to_owned(),
            vec![("SR301", 9), ("SR101", 13)],
        ),
    ] {
        let found = found(&input, &["--rules", "SR101,SR301"]);
        let findings = found["findings"].as_array().unwrap().iter();
        let lines: Vec<_> = findings
            .map(|one| (one["code"].as_str().unwrap(), one["line"].as_u64().unwrap()))
            .collect();
        assert_eq!(lines, expected, "{what}\n{input}");
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "one table")]
fn a_comment_or_annotation_with_a_reason_silences_its_place_and_no_other() {
    let web = WEB.replace("replicas: 2", "replicas: 1");
    let at = |line: &str, with: &str| web.replacen(line, with, 1);
    let all = ["SR101", "SR301"];
    for (what, input, left) in [
        ("nothing", web.clone(), &all[..]),
        (
            "behind the line",
            at("replicas: 1", "replicas: 1 # silkroll:ignore SR301 why"),
            &["SR101"],
        ),
        (
            "above the line",
            at(
                "  replicas: 1",
                "  # silkroll:ignore SR301 why\n  replicas: 1",
            ),
            &["SR101"],
        ),
        (
            "further above",
            at(
                "  replicas: 1",
                "# silkroll:ignore SR301 why\n\n# more\n  replicas: 1",
            ),
            &["SR101"],
        ),
        (
            "another code",
            at("replicas: 1", "replicas: 1 # silkroll:ignore SR302 why"),
            &all,
        ),
        (
            "another place",
            at("    spec:", "    spec: # silkroll:ignore SR301 why"),
            &all,
        ),
        (
            "above its place",
            at("  template:", "  template: # silkroll:ignore SR101 why"),
            &["SR301"],
        ),
        (
            "the container",
            at(
                "        - name",
                "        # silkroll:ignore SR101 why\n        - name",
            ),
            &["SR301"],
        ),
        (
            "the whole object",
            format!("# silkroll:ignore SR101,SR301 why\n{web}"),
            &[],
        ),
        (
            "a longer word",
            at("replicas: 1", "replicas: 1 # xsilkroll:ignore SR301 why"),
            &all,
        ),
        (
            "no reason",
            at("replicas: 1", "replicas: 1 # silkroll:ignore SR301"),
            &["SR001", "SR101", "SR301"],
        ),
        (
            "no code",
            at("replicas: 1", "replicas: 1 # silkroll:ignore"),
            &["SR001", "SR101", "SR301"],
        ),
        (
            "an unknown code",
            at("replicas: 1", "replicas: 1 # silkroll:ignore SR31 why"),
            &["SR001", "SR101", "SR301"],
        ),
        (
            "in a text",
            at(
                "  name: web\n",
                "  name: web\n  annotations:\n    a: |\n      # silkroll:ignore SR301 why\n      b\n",
            ),
            &all,
        ),
        (
            "in quotes",
            at(
                "  name: web\n",
                "  name: web\n  labels: {a: \"b # silkroll:ignore SR301\"}\n",
            ),
            &all,
        ),
        (
            "annotated",
            at(
                "  name: web\n",
                "  name: web\n  annotations: {silkroll.dev/ignore: 'SR301 why; SR101 why'}\n",
            ),
            &[],
        ),
        (
            "annotated badly",
            at(
                "  name: web\n",
                "  name: web\n  annotations: {silkroll.dev/ignore: 'SR301; SR101 why'}\n",
            ),
            &["SR001", "SR301"],
        ),
        (
            "no text",
            at(
                "  name: web\n",
                "  name: web\n  annotations: {silkroll.dev/ignore: [SR301]}\n",
            ),
            &all,
        ),
        (
            "a small letter",
            at("replicas: 1", "replicas: 1 # silkroll:ignore sr301 why"),
            &["SR101"],
        ),
        (
            "a blank in the mark",
            at("replicas: 1", "replicas: 1 # silkroll: ignore SR301 why"),
            &["SR101"],
        ),
        (
            "a colon behind it",
            at("replicas: 1", "replicas: 1 # silkroll:ignore SR301: why"),
            &["SR101"],
        ),
        (
            "above the separator",
            format!("# a licence\n# silkroll:ignore SR301 why\n---\n{web}"),
            &["SR101"],
        ),
        (
            "above the separator, without a reason",
            format!("# silkroll:ignore SR301\n---\n{web}"),
            &["SR001", "SR101", "SR301"],
        ),
        (
            "above two separators",
            format!("---\n# silkroll:ignore SR301 why\n---\n{web}"),
            &["SR101"],
        ),
        (
            "above another document",
            format!("# silkroll:ignore SR301 why\n---\nkind: A\n---\n{web}"),
            &all,
        ),
        (
            "a document before",
            format!("# silkroll:ignore SR301 why\nkind: A\n---\n{web}"),
            &all,
        ),
    ] {
        let found = found(&input, &["--rules", "SR101,SR301,SR001"]);
        let left: BTreeSet<String> = left.iter().map(|code| (*code).to_owned()).collect();
        assert_eq!(codes(&found), left, "{what}\n{input}\n{found:#}");
    }
}

#[test]
fn what_is_ignored_is_told_with_its_reason() {
    let web = WEB.replace(
        "replicas: 2",
        "replicas: 1 # silkroll:ignore SR301 one is enough",
    );
    let found = found(&web, &["--rules", "SR301"]);
    assert_eq!(found["findings"][0]["ignored"], "one is enough");
    assert_eq!(found["summary"]["failed"], false);
}
