//! The examples, applied as they are: what was injected, and that all the rest is untouched.

use std::fs;

use serde_json::{Value, json};

use super::space::Space;
use super::world::{World, file, script_name};

const EXAMPLES: &[(&str, &str, &str)] = &[
    ("nacos-customer", "retail", "customer"),
    ("mainstay-provider", "media", "hdfs-provider"),
    ("spring-boot", "web", "orders"),
    ("nginx", "edge", "nginx"),
    ("spring-boot/nacos", "retail", "catalogue"),
    ("spring-boot/eureka", "retail", "invoices"),
    ("dubbo", "retail", "stock"),
    ("grpc", "web", "prices"),
];

/// Of an object: all that Silkroll may have touched, of the first container.
fn touched(object: &Value) -> Value {
    let spec = &object["spec"];
    let pod = &spec["template"]["spec"];
    let web = &pod["containers"][0];
    let ours = |list: &Value| -> Vec<Value> {
        let items = list.as_array().into_iter().flatten();
        items
            .filter(|item| {
                let name = item["name"].as_str().unwrap();
                name == "podip" || name.to_lowercase().starts_with("silkroll")
            })
            .cloned()
            .collect()
    };
    json!({
        "strategy": spec["strategy"],
        "minReadySeconds": spec["minReadySeconds"],
        "terminationGracePeriodSeconds": pod["terminationGracePeriodSeconds"],
        "volumes": ours(&pod["volumes"]),
        "env": ours(&web["env"]),
        "volumeMounts": ours(&web["volumeMounts"]),
        "lifecycle": web["lifecycle"],
        "readinessProbe": web["readinessProbe"],
    })
}

#[test]
fn the_examples_come_out_with_all_that_they_promise() {
    let world = World::shared();
    let namespaces = file("examples/namespaces.yaml").display().to_string();
    world.plane.ok(&["apply", "-f", &namespaces], "");
    let mut all = serde_json::Map::new();
    for (example, namespace, name) in EXAMPLES {
        let path = file(&format!("examples/{example}.yaml"));
        let output = world
            .plane
            .kubectl(&["apply", "-f", &path.display().to_string()], "");
        assert!(output.success, "{example}: {output:?}");
        let stored = world
            .plane
            .get(&["deployment", "-n", namespace, name])
            .unwrap();

        // Opted out, it is what it would have been without Silkroll.
        let twin = Space::new(world, &format!("{name}-untouched"), &[]);
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace(&format!("  namespace: {namespace}\n"), "");
        let text = text.replace("silkroll.dev/", "example.com/");
        let applied = twin.kubectl(&["apply", "-f", "-"], &text);
        assert!(applied.success, "{example}: {applied:?}");
        let plain = twin.settled(&format!("deployment/{name}"));
        let out = [
            "annotate",
            "--overwrite",
            "-n",
            namespace,
            "deployment",
            name,
            "silkroll.dev/inject=disabled",
        ];
        world.plane.ok(&out, "");
        let back = world
            .plane
            .get(&["deployment", "-n", namespace, name])
            .unwrap();
        assert_eq!(back["spec"]["template"], *plain.template(), "{example}");
        assert_eq!(
            back["spec"]["strategy"], plain.object["spec"]["strategy"],
            "{example}"
        );

        let stderr: Vec<_> = output.stderr.lines().map(Value::from).collect();
        all.insert(
            (*example).to_owned(),
            json!({"stderr": stderr, "object": touched(&stored)}),
        );
    }
    let text = serde_json::to_string_pretty(&all).unwrap();
    insta::assert_snapshot!(text.replace(&script_name(), "silkroll-HASH"));
}
