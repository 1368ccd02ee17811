//! What is written, and what is not: the files of `--fix` and of `--write-baseline`.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::process::{Command, Output};

use super::{WEB, check, started, text};

/// `silkroll check --fix` of paths.
fn fix(paths: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_silkroll"));
    command.args(["check", "--fix"]);
    for path in paths {
        command.arg("-f").arg(path);
    }
    command.output().unwrap()
}

fn names(folder: &Path) -> Vec<std::ffi::OsString> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

#[test]
fn a_file_whose_name_is_no_text_is_written_and_not_the_one_whose_name_looks_like_it() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join(OsStr::from_bytes(b"a\xff.yaml"));
    let other = folder.path().join("a\u{fffd}.yaml");
    let precious = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: precious}\n";
    fs::write(&odd, WEB).unwrap();
    fs::write(&other, precious).unwrap();
    let output = fix(&[folder.path()]);
    let said = text(&output.stderr);
    assert!(said.contains("a\\xff.yaml: 1 workload injected"), "{said}");
    assert_eq!(fs::read_to_string(&other).unwrap(), precious);
    assert!(fs::read_to_string(&odd).unwrap().contains("preStop"));
    assert_eq!(names(folder.path()).len(), 2);
}

#[test]
fn what_somebody_else_wrote_meanwhile_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.yaml");
    fs::write(&path, WEB).unwrap();
    let named = path.to_str().unwrap();
    let (child, mut stdin) = started(&["check", "--fix", "-f", named, "-f", "/dev/stdin"]);
    // More than a pipe holds: once all of it is taken, the file before has been read.
    stdin.write_all(&b"# nothing\n".repeat(100_000)).unwrap();
    let mine = format!("{WEB}# my edit\n");
    fs::write(&path, &mine).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(
        said.contains("web.yaml was changed after it was read, and was not written"),
        "{said}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), mine);
    assert_eq!(names(folder.path()), ["web.yaml"]);
}

#[test]
fn a_name_as_long_as_a_file_system_takes_is_no_hindrance() {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("{}.yaml", "x".repeat(250));
    fs::write(folder.path().join(&name), WEB).unwrap();
    let output = fix(&[folder.path()]);
    assert!(text(&output.stderr).contains("1 workload injected"));
    assert_eq!(names(folder.path()), [&*name]);
}

#[test]
fn owner_group_and_permissions_stay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.yaml");
    fs::write(&path, WEB).unwrap();
    let root = fs::metadata(&path).unwrap().uid() == 0;
    if root {
        chown(&path, Some(1234), Some(1235)).unwrap();
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let of = |path: &Path| {
        let metadata = fs::metadata(path).unwrap();
        (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777)
    };
    let before = of(&path);
    let output = fix(&[&path]);
    assert!(text(&output.stderr).contains("1 workload injected"));
    assert_eq!(of(&path), before);
    assert!(!root || before == (1234, 1235, 0o640));
}

/// Makes what is not to be written of a path, given a file outside its folder.
type Make = fn(&Path, &Path);

#[test]
fn what_would_change_more_than_a_text_is_refused_before_anything_is_written() {
    let outside = tempfile::tempdir().unwrap();
    let theirs = outside.path().join("theirs.yaml");
    fs::write(&theirs, WEB).unwrap();
    let cases: [(&str, Make, &str); 3] = [
        (
            "hard links",
            |path, _| fs::hard_link(path, path.with_extension("bak")).unwrap(),
            "b.yaml has 2 names (hard links), which a new text would part, and was not written",
        ),
        (
            "a link out of the folder",
            |path, theirs| {
                fs::remove_file(path).unwrap();
                symlink(theirs, path).unwrap();
            },
            "b.yaml is a link that leads out of the folder, and was not written: name the file that it leads to",
        ),
        (
            "a link out of the folder by way of one in it",
            |path, theirs| {
                fs::remove_file(path).unwrap();
                symlink(theirs.parent().unwrap(), path.with_file_name("all")).unwrap();
                symlink("all/theirs.yaml", path).unwrap();
            },
            "b.yaml is a link that leads out of the folder",
        ),
    ];
    for (what, make, says) in cases {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("a.yaml");
        let path = folder.path().join("b.yaml");
        let workload = WEB.replace("name: web\nspec", "name: other\nspec");
        fs::write(&other, &workload).unwrap();
        fs::write(&path, WEB).unwrap();
        make(&path, &theirs);
        let before = names(folder.path());
        let output = fix(&[folder.path()]);
        assert_eq!(output.status.code(), Some(2), "{what}");
        let said = text(&output.stderr);
        assert!(said.contains(says), "{what}: {said}");
        assert_eq!(fs::read_to_string(&other).unwrap(), workload, "{what}");
        assert_eq!(fs::read_to_string(&theirs).unwrap(), WEB, "{what}");
        assert_eq!(names(folder.path()), before, "{what}");
    }
}

#[test]
fn a_link_stays_one_and_what_it_leads_to_is_written_where_it_was_named_or_stands_in_the_folder() {
    let outside = tempfile::tempdir().unwrap();
    let theirs = outside.path().join("theirs.yaml");
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("web.yaml");
    // As a ConfigMap that is mounted has its files.
    let data = folder.path().join("..data");
    fs::create_dir(&data).unwrap();
    for (leads_to, named) in [(&theirs, &*link), (&data.join("web.yaml"), folder.path())] {
        fs::write(leads_to, WEB).unwrap();
        symlink(leads_to, &link).unwrap();
        let output = fix(&[named]);
        let said = text(&output.stderr);
        assert!(said.contains("1 workload injected"), "{said}");
        assert_eq!(fs::read_link(&link).unwrap(), **leads_to);
        assert!(fs::read_to_string(leads_to).unwrap().contains("preStop"));
        fs::remove_file(&link).unwrap();
    }
}

#[test]
fn a_baseline_is_written_whole_and_into_files_alone() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(
        made.is_ok_and(|status| status.success()),
        "needs mkfifo (coreutils)"
    );
    let write = |path: &Path| {
        let path = path.to_str().unwrap();
        check(&["-f", "-", "--write-baseline", path], WEB)
    };
    for (path, says) in [
        (
            &*pipe,
            "pipe cannot be written: it is a device, socket or named pipe; expected is a file",
        ),
        (
            folder.path(),
            "cannot be written: it is a folder; expected is a file",
        ),
        (
            Path::new("/dev/null"),
            "/dev/null cannot be written: it is a device",
        ),
        (
            folder.path().join("no/known.json").as_path(),
            "known.json cannot be written",
        ),
    ] {
        let output = write(path);
        let said = text(&output.stderr);
        assert!(said.contains(says), "{said}");
        assert_eq!(output.status.code(), Some(2));
    }
    // One that is there is replaced, by the name that a link leads to.
    let path = folder.path().join("known.json");
    let link = folder.path().join("link.json");
    assert_eq!(write(&path).status.code(), Some(0));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
    let before = fs::metadata(&path).unwrap().ino();
    symlink("known.json", &link).unwrap();
    assert_eq!(write(&link).status.code(), Some(0));
    let now = fs::metadata(&path).unwrap();
    assert_ne!(now.ino(), before);
    assert_eq!(now.mode() & 0o777, 0o604);
    assert_eq!(names(folder.path()), ["known.json", "link.json", "pipe"]);
    let known = check(&["-f", "-", "--baseline", path.to_str().unwrap()], WEB);
    assert_eq!(known.status.code(), Some(0));
}

#[test]
fn what_was_written_says_what_it_needs_besides() {
    let annotations = "  name: web\n  namespace: shop\n  annotations: {silkroll.dev/deregister: nacos, silkroll.dev/nacos-server: 'http://nacos:8848'}\nspec";
    let web = WEB.replace("  name: web\nspec", annotations);
    let script = web.replace(
        "annotations: {",
        "annotations: {silkroll.dev/hook: script, ",
    );
    let binary = web.replace(
        "annotations: {",
        "annotations: {silkroll.dev/hook-arch: amd64, ",
    );
    for (input, says, warns) in [
        (WEB, "", false),
        (
            &*web,
            "silkroll configmap -n shop | kubectl apply -f -\n",
            true,
        ),
        (
            &script,
            "silkroll configmap -n shop | kubectl apply -f -\n",
            false,
        ),
        (
            &binary,
            "silkroll configmap -n shop --hook binary | kubectl apply --server-side -f -\n",
            false,
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yaml");
        std::fs::write(&path, input).unwrap();
        let said = text(&fix(&[&path]).stderr);
        assert!(said.contains("1 workload injected"), "{said}");
        assert!(said.contains(says), "{said}");
        assert_eq!(said.contains("a ConfigMap"), !says.is_empty(), "{said}");
        assert_eq!(
            said.contains("  warning: container web: its image may have no shell"),
            warns,
            "{said}"
        );
    }
}

#[test]
fn a_baseline_is_no_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_silkroll"))
        .args(["check", "-f", "web.yaml", "--write-baseline", "-"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        text(&output.stderr),
        "silkroll: --write-baseline names a file, and - is none: standard output has what is found\n"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
