//! `kubectl apply -k`, in both ways of applying.

use super::git::Git;

fn apply(git: &Git, how: &[&str]) {
    let folder = git.folder().display().to_string();
    git.world
        .plane
        .ok(&[&["apply", "-k", &folder], how].concat(), "");
}

#[test]
#[ignore = "needs the tools: make test-gitops"]
fn apply_k_moves_nothing() {
    Git::new("client-side").course(|git| apply(git, &[]));
}

#[test]
#[ignore = "needs the tools: make test-gitops"]
fn apply_k_server_side_moves_nothing() {
    Git::new("server-side").course(|git| apply(git, &["--server-side"]));
}
