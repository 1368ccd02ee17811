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
fn what_may_never_end_is_refused_and_what_a_shell_hands_over_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.yaml").display().to_string();
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let huge = folder.path().join("huge.json").display().to_string();
    let sparse = std::fs::File::create(&huge).unwrap();
    sparse.set_len(257 << 20).unwrap();
    let path = folder.path().display().to_string();
    let web = write(folder.path(), "web/web.yaml", WEB);
    let never = "it is a device, socket or named pipe, which may never end; expected is a file, or - for standard input";
    let most = "holds more than 256 MiB, the most that is read of one input: split it";
    for (args, says) in [
        (vec!["-f", "/dev/zero"], never),
        (vec!["-f", &pipe], never),
        (vec!["-f", &huge], most),
        (vec!["-f", &path], most),
        (
            vec!["-f", "/proc/self/status"],
            "the kernel makes up, which may never end",
        ),
        (vec!["-f", "/proc/kmsg"], "which may never end"),
        (vec!["-f", &web, "--namespaces", "/dev/zero"], never),
        (vec!["-f", &web, "--namespaces", &pipe], never),
        (vec!["-f", &web, "--namespaces", &path], "it is a folder"),
    ] {
        let ran = inject(&args, b"");
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?}");
        assert!(ran.report.contains(says), "{args:?}: {}", ran.report);
    }
    for handed in ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"] {
        let ran = inject(&["-f", handed], WEB.as_bytes());
        assert_eq!(ran.code, 0, "{handed}: {}", ran.report);
    }
    for (name, stdin, code, says) in [
        ("-", "/dev/zero", 2, "it is a device, which may never end"),
        (
            "/dev/stdin",
            "/dev/zero",
            2,
            "it is a device, which may never end",
        ),
        (
            "-",
            "/proc/self/status",
            2,
            "it is a file that the kernel makes up",
        ),
        ("-", &*huge, 2, most),
        ("-", "/dev/null", 0, "there is no object in the input"),
    ] {
        let ran = std::process::Command::new(env!("CARGO_BIN_EXE_silkroll"))
            .args(["inject", "-f", name])
            .stdin(std::fs::File::open(stdin).unwrap())
            .output()
            .unwrap();
        let report = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(code), "{name} < {stdin}: {report}");
        assert!(report.contains(says), "{name} < {stdin}: {report}");
    }
}

#[test]
fn what_kustomize_keeps_in_a_folder_is_to_be_built_first() {
    let build =
        "build first: kustomize build DIR | silkroll inject -f - (or kubectl kustomize DIR)";
    let patch = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n";
    let deletes = WEB.replace(
        "      containers:\n",
        "      containers:\n        - {name: x, $patch: delete}\n",
    );
    for (what, text, code, says) in [
        (
            "no template",
            format!("{patch}spec: {{replicas: 2}}\n"),
            1,
            "spec.template is missing: this looks like a kustomize patch for a Deployment; ",
        ),
        (
            "no spec",
            patch.to_owned(),
            1,
            "this looks like a kustomize patch",
        ),
        (
            "only what changes of a container",
            format!(
                "{patch}spec: {{template: {{spec: {{containers: [{{name: web, tty: true}}]}}}}}}\n"
            ),
            1,
            "spec.selector and an image are missing: this looks like a kustomize patch",
        ),
        (
            "an image and no selector",
            WEB.replace("  selector: {matchLabels: {app: web}}\n", ""),
            1,
            "spec.selector is missing, without which the API server takes none: this looks like a kustomize patch",
        ),
        (
            "$patch",
            format!("$patch: delete\n{patch}"),
            1,
            "$patch stands in it, which tells how to merge: this looks like",
        ),
        ("$patch deep inside", deletes, 1, "$patch stands in it"),
        (
            "a kustomization",
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n".to_owned(),
            2,
            "document 1, line 1: this is a kustomization, which says what to build and is no manifest: ",
        ),
        (
            "a component",
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n".to_owned(),
            2,
            "this is a kustomization",
        ),
        (
            "one without a kind",
            "resources:\n- web.yaml\n".to_owned(),
            2,
            "this is a kustomization",
        ),
        (
            "a JSON patch",
            "- {op: replace, path: /spec/replicas, value: 2}\n".to_owned(),
            2,
            "this is a JSON patch and no manifest, as kustomize has them: ",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a.yaml", WEB);
        write(folder.path(), "b.yaml", &text);
        let ran = inject(&["-f", &folder.path().display().to_string()], b"");
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (code, ""),
            "{what}: {}",
            ran.report
        );
        assert!(ran.report.contains(says), "{what}: {}", ran.report);
        assert!(ran.report.contains(build), "{what}: {}", ran.report);
    }
    // Flux's object of the same name, and others with such members, are objects.
    for text in [
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nspec: {}\n",
        "apiVersion: v1\nkind: Thing\nresources: []\npatches: []\n",
    ] {
        let ran = inject(&["-f", "-"], text.as_bytes());
        assert_eq!((ran.code, ran.out.as_str()), (0, text), "{}", ran.report);
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
        (
            "kind: Namespace\nmetadata: {name: shop}\nmetadata: {name: shop}\n",
            "the key \"metadata\" stands in line 2 and again in line 3",
        ),
    ] {
        let file = write(folder.path(), "namespaces.yaml", text);
        let ran = inject(&["-f", "-", "--namespaces", &file], WEB.as_bytes());
        assert_eq!((ran.code, ran.out.as_str()), (0, WEB), "{}", ran.report);
        assert!(ran.report.contains(says), "{}", ran.report);
    }
}
