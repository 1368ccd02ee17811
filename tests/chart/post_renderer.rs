//! `silkroll inject` as a post-renderer of the real Helm: of 3 as a program, of 4 as the plugin in `examples/helm-plugin`.

use std::path::Path;
use std::{env, fs};

use testkit::process::Output;

use super::helm::{Helm, documents, file, find};

/// A chart with one workload and a hook of Helm's own.
fn chart(drain: &str) -> tempfile::TempDir {
    let chart = tempfile::tempdir().unwrap();
    let templates = chart.path().join("templates");
    fs::create_dir(&templates).unwrap();
    let about = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
    fs::write(chart.path().join("Chart.yaml"), about).unwrap();
    let web = fs::read_to_string(file("examples/kustomize-function/base/web.yaml")).unwrap();
    let web = web.replace("drain-seconds: \"10\"", &format!("drain-seconds: {drain}"));
    fs::write(templates.join("web.yaml"), web).unwrap();
    let job = "\
apiVersion: batch/v1
kind: Job
metadata: {name: before, annotations: {helm.sh/hook: pre-install}}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}
";
    fs::write(templates.join("job.yaml"), job).unwrap();
    chart
}

fn render(helm: &Helm, chart: &Path, more: &[&str]) -> Output {
    let chart = chart.display().to_string();
    let mut args = vec!["template", "web", &chart, "-n", "shop", "--post-renderer"];
    if helm.major == 3 {
        args.extend(["silkroll", "--post-renderer-args=inject"]);
        args.extend(["--post-renderer-args=-f", "--post-renderer-args=-"]);
    } else {
        helm.ok(
            &[
                "plugin",
                "install",
                &file("examples/helm-plugin").display().to_string(),
            ],
            "",
        );
        args.push("silkroll");
    }
    args.extend(more);
    let silkroll = Path::new(env!("CARGO_BIN_EXE_silkroll"));
    let folder = silkroll.parent().unwrap().display();
    let path = format!("{folder}:{}", env::var("PATH").unwrap());
    helm.run_with(&args, "", &[("PATH", &path)])
}

#[test]
#[ignore = "needs Helm: make test-helm"]
fn both_inject_what_they_render() {
    let chart = chart("\"10\"");
    for helm in Helm::both() {
        let output = render(&helm, chart.path(), &[]);
        assert!(output.success, "helm{}: {output:?}", helm.major);
        let all = documents(&output.stdout);
        let pod = &find(&all, "Deployment", "web")["spec"]["template"]["spec"];
        assert_eq!(
            pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"],
            10
        );
        assert_eq!(pod["terminationGracePeriodSeconds"], 45);
        find(&all, "Job", "before");
    }
}

#[test]
#[ignore = "needs Helm: make test-helm"]
fn neither_renders_what_inject_refuses() {
    let chart = chart("ten");
    for helm in Helm::both() {
        let output = render(&helm, chart.path(), &[]);
        assert!(
            !output.success && output.stdout.is_empty(),
            "helm{}: {output:?}",
            helm.major
        );
        // Helm 4 keeps to itself what a post-renderer says.
        let told = output.stderr.contains("\"ten\" on Deployment shop/web");
        assert_eq!(told, helm.major == 3, "{output:?}");
    }
}

#[test]
#[ignore = "needs Helm: make test-helm"]
fn helm_4_hands_flags_to_the_plugin() {
    let chart = chart("\"10\"");
    let [_, helm] = Helm::both();
    let flags = [
        "--post-renderer-args=--fail-on",
        "--post-renderer-args=nothing",
    ];
    assert!(!render(&helm, chart.path(), &flags).success);
}

#[test]
fn the_plugin_has_the_version_of_silkroll() {
    let text = fs::read_to_string(file("examples/helm-plugin/plugin.yaml")).unwrap();
    assert_eq!(documents(&text)[0]["version"], env!("CARGO_PKG_VERSION"));
}
