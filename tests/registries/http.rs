//! The method `http` as the first of its users had it by hand: a form with address and port, posted to the service that
//! keeps the list, from the pods that have a certain variable only.

use crate::hook::{RUNNERS, Settings};
use crate::recorder::{Reply, Server};
use crate::start::{OTHERS, World};

#[test]
#[ignore = "starts real registries: make test-registries"]
fn a_form_for_a_list_of_ones_own() {
    let world = World::new("a form", &OTHERS);
    let server = Server::start(|_| Reply::Answer(200, "ok".into()));
    let url = server.url();
    let settings = Settings::told(
        "http",
        "10.1.2.3",
        &[
            ("http-url", &format!("{url}/registry/offline")),
            ("http-body", "host={podip}&port={port}"),
            ("http-content-type", "application/x-www-form-urlencoded"),
        ],
    )
    .with("SILKROLL_IF_ENV", "MAINSTAY_HOST");
    for (at, runner) in RUNNERS.iter().enumerate() {
        runner
            .stop(&settings)
            .has("silkroll: http: MAINSTAY_HOST is not set here, nothing to leave");
        runner.stop(&settings.clone().with("MAINSTAY_HOST", ""));
        assert_eq!(server.requests().len(), at, "{}", runner.name);
        let said = runner.stop(&settings.clone().with("MAINSTAY_HOST", "mainstay"));
        said.has("registry/offline answered 200");
        let requests = server.requests();
        assert_eq!(requests.len(), at + 1);
        let request = requests.last().unwrap();
        assert_eq!(request.method, "POST");
        assert_eq!(request.target, "/registry/offline");
        assert_eq!(
            request.header("content-type"),
            Some("application/x-www-form-urlencoded")
        );
        assert_eq!(request.body, b"host=10.1.2.3&port=8080");
        world.ok(&format!(
            "{}: posted where the variable is set, and only there",
            runner.name
        ));
    }
}
