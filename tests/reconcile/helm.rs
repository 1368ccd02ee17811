//! Helm 3 and 4: `helm upgrade --install`, again and again.

use std::fs;
use std::process::Command;

use testkit::process::run;

use super::git::{Git, built};

fn course(major: u32, tool: &'static str) {
    let git = Git::new(tool);
    let home = tempfile::tempdir().unwrap();
    let chart = home.path().join("chart");
    fs::create_dir_all(chart.join("templates")).unwrap();
    let about = "apiVersion: v2\nname: shop\nversion: 1.0.0\n";
    fs::write(chart.join("Chart.yaml"), about).unwrap();
    let program = built("SILKROLL_HELM").join(format!("helm{major}"));
    git.course(|git| {
        fs::write(chart.join("templates/all.yaml"), git.all()).unwrap();
        let mut command = Command::new(&program);
        for folder in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(folder, home.path());
        }
        command.env("KUBECONFIG", git.world.plane.kubeconfig());
        command
            .args(["upgrade", "--install", tool, "-n", "default"])
            .arg(&chart);
        let output = run(&mut command, b"").unwrap();
        assert!(output.success, "{output:?}");
    });
}

#[test]
#[ignore = "needs the tools: make test-gitops"]
fn helm_3_moves_nothing() {
    course(3, "helm3");
}

#[test]
#[ignore = "needs the tools: make test-gitops"]
fn helm_4_moves_nothing() {
    course(4, "helm4");
}
