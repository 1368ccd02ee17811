//! Files, folders and the file of namespaces.

use std::path::Path;

use crate::doors::{WEB, inject, values};

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn what_is_no_file_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    write(folder.path(), "nested/deep/web.yaml", WEB);
    write(folder.path(), "other/notes.txt", "hello");
    for (args, says) in [
        (
            vec!["-f", &at("missing.yaml")],
            "missing.yaml cannot be read: No such file",
        ),
        (
            vec!["-f", ""],
            "a value is required for '--filename <FILE>'",
        ),
        (
            vec!["-f", &at("empty")],
            "empty holds no .yaml, .yml or .json files; -R looks into subfolders, too",
        ),
        (
            vec!["-f", &at("nested")],
            "nested holds no .yaml, .yml or .json files; -R looks",
        ),
        (
            vec!["-R", "-f", &at("empty")],
            "empty holds no .yaml, .yml or .json files\n",
        ),
        (vec!["-f", &at("other")], "other holds no"),
        (
            vec!["-f", &at("nested/deep/web.yaml"), "-f", &at("missing.yaml")],
            "missing.yaml cannot be read",
        ),
    ] {
        let ran = inject(&args, b"");
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?}");
        assert!(ran.report.contains(says), "{args:?}: {}", ran.report);
    }
}

#[test]
fn folders_are_read_in_the_order_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let named = |name: &str| WEB.replace("name: web\n", &format!("name: {name}\n"));
    write(folder.path(), "b.yml", &named("second"));
    write(folder.path(), "a.yaml", &named("first"));
    write(folder.path(), "c.json", "{\"kind\": \"Service\"}");
    write(folder.path(), "d.txt", "no manifest");
    write(folder.path(), "z/e.yaml", &named("deep"));
    let path = folder.path().display().to_string();
    let titles = |args: &[&str]| -> Vec<String> {
        let ran = inject(args, WEB.as_bytes());
        assert_eq!(ran.code, 0, "{}", ran.report);
        let objects = values(&ran.out)
            .into_iter()
            .filter(|value| !value.is_null());
        objects
            .map(|value| value["metadata"]["name"].as_str().unwrap_or("-").to_owned())
            .collect()
    };
    assert_eq!(titles(&["-f", &path]), ["first", "second", "-"]);
    assert_eq!(
        titles(&["-R", "-f", &path]),
        ["first", "second", "-", "deep"]
    );
    assert_eq!(
        titles(&["-f", "-", "-f", &path]),
        ["web", "first", "second", "-"]
    );
}

#[test]
fn a_broken_file_is_named_and_nothing_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.yaml", WEB);
    let broken = write(folder.path(), "b.yaml", "a: 1\n\tb: 2\n");
    let ran = inject(&["-f", &folder.path().display().to_string()], b"");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(
        ran.report
            .contains(&format!("{broken}: document 1, line 2: a tab")),
        "{}",
        ran.report
    );
}

#[test]
fn a_file_of_namespaces_that_is_none_says_what_it_should_be() {
    let folder = tempfile::tempdir().unwrap();
    for (text, says) in [
        (
            WEB,
            "expected Namespace manifests but found kind \"Deployment\" (name \"web\")",
        ),
        (
            "",
            "holds nothing; it takes what `kubectl get namespaces -o yaml` prints",
        ),
        ("# nothing\n", "holds nothing"),
        ("hello\n", "expected Namespace manifests"),
        ("kind: Namespace\n", "a Namespace has no metadata.name"),
        (
            "kind: Namespace\nmetadata: {name: a}\n---\nkind: Namespace\nmetadata: {name: a}\n",
            "Namespace \"a\" is given twice",
        ),
        (
            "kind: Namespace\nmetadata: {name: a, annotations: {silkroll.dev/drain-seconds: 5}}\n",
            "annotations.silkroll.dev/drain-seconds is 5, not a string; put it in quotes",
        ),
        (
            "kind: Namespace\nmetadata: {name: a, annotations: [x]}\n",
            "metadata.annotations must be a mapping of strings",
        ),
        (
            "kind: Namespace\nmetadata: {name: a}\nmetadata: {}\n",
            "a Namespace has no metadata.name",
        ),
        (
            "kind: Namespace\n\tmetadata: {}\n",
            "a tab cannot indent YAML",
        ),
    ] {
        let file = write(folder.path(), "namespaces.yaml", text);
        let ran = inject(&["-f", "-", "--namespaces", &file], WEB.as_bytes());
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (2, ""),
            "{text:?}: {}",
            ran.report
        );
        assert!(ran.report.contains(says), "{text:?}: {}", ran.report);
        assert!(
            ran.report.contains(&format!("--namespaces {file}")),
            "{}",
            ran.report
        );
    }
    let missing = folder.path().join("missing").display().to_string();
    let ran = inject(&["-f", "-", "--namespaces", &missing], WEB.as_bytes());
    assert_eq!(ran.code, 2);
    assert!(
        ran.report
            .contains("it takes what `kubectl get namespaces -o yaml` prints"),
        "{}",
        ran.report
    );
}

#[test]
fn a_namespace_that_the_file_does_not_have_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    for (text, says) in [
        (
            "kind: Namespace\nmetadata: {name: other}\n",
            "warning: nothing was injected: namespace shop is not known to Silkroll (yet)",
        ),
        (
            "kind: Namespace\nmetadata: {name: shop}\n",
            "skipped (namespace-not-opted-in",
        ),
        (
            "kind: Namespace\nmetadata: {name: shop, annotations: {silkroll.dev/inject: \"enabeld\"}}\n",
            "\"enabeld\" on Namespace shop cannot be used: allowed is enabled, on-request or disabled",
        ),
        (
            "kind: Namespace\nmetadata: {name: shop, labels: {silkroll.dev/inject: enabled}}\n",
            "is a label on Namespace shop: Silkroll reads annotations, make it one",
        ),
    ] {
        let file = write(folder.path(), "namespaces.yaml", text);
        let ran = inject(&["-f", "-", "--namespaces", &file], WEB.as_bytes());
        assert_eq!((ran.code, ran.out.as_str()), (0, WEB), "{}", ran.report);
        assert!(ran.report.contains(says), "{}", ran.report);
    }
}
