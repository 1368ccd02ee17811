//! What is said where there is no cluster, or where it does not answer.

use std::process::Command;

use super::text;

#[test]
fn one_sentence_says_why_there_is_no_cluster() {
    let home = tempfile::tempdir().unwrap();
    let down = home.path().join("down.yaml");
    let config = "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\n\
                  users: [{name: a, user: {token: x}}]\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n";
    std::fs::write(&down, config).unwrap();
    let down = down.to_str().unwrap();
    let checks = &["check", "--cluster"][..];
    let waits = &["wait", "--seconds", "1"][..];
    for (args, kubeconfig, begins, ends) in [
        (
            checks,
            None,
            "no cluster found: KUBECONFIG is not set, ",
            "set KUBECONFIG",
        ),
        (
            waits,
            None,
            "no cluster found: KUBECONFIG is not set, ",
            "set KUBECONFIG",
        ),
        (
            checks,
            Some("/nowhere"),
            "the kubeconfig that KUBECONFIG names cannot be used: ",
            "check it with `kubectl config view`",
        ),
        (
            checks,
            Some(down),
            "the API server at https://127.0.0.1:1/ does not answer: Connection refused",
            "",
        ),
        (
            waits,
            Some(down),
            "Silkroll did not answer within 1 s: the API server at https://127.0.0.1:1/ does not answer: Connection refused",
            "",
        ),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_silkroll"));
        command.args(args).env("HOME", home.path());
        command.env_remove("KUBERNETES_SERVICE_HOST");
        match kubeconfig {
            Some(path) => command.env("KUBECONFIG", path),
            None => command.env_remove("KUBECONFIG"),
        };
        let output = command.output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        let said = said.strip_prefix("silkroll: ").unwrap().trim_end();
        assert!(said.starts_with(begins) && said.ends_with(ends), "{said}");
        assert_eq!(
            said.matches("No such file").count(),
            usize::from(kubeconfig != Some(down)),
            "{said}"
        );
        assert!(
            !said.contains("standalone") && said.lines().count() == 1,
            "{said}"
        );
    }
}
