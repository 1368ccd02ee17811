//! Nacos servers from their published libraries, and the official clients.

use std::fs;

use crate::ask::{ask, get};
use crate::start::{Jvm, World, prepared, up};
use testkit::process::Process;

/// The port of the server's API; its others follow from it.
pub(crate) const SERVER: &str = "http://127.0.0.1:8848";

/// The user of the tests; 2.3.1 brings it along.
pub(crate) const USER: &str = "nacos";
pub(crate) const PASSWORD: &str = "nacos";

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Generation {
    /// 2.3.1, whose API is v1.
    Two,
    /// 3.1.0, whose API is v3.
    Three,
}

/// Starts a server, with a login where asked.
pub(crate) fn server(world: &World, generation: Generation, login: bool) -> Process {
    let (part, class, ready) = match generation {
        Generation::Two => ("nacos2", "Nacos2", "8848/nacos/v1/ns/operator/metrics"),
        Generation::Three => (
            "nacos3",
            "Nacos3",
            "8848/nacos/v3/admin/core/state/readiness",
        ),
    };
    let home = world.dir.path().join("nacos");
    fs::create_dir_all(home.join("conf")).unwrap();
    // It insists on the file.
    fs::write(home.join("application.properties"), "").unwrap();
    // The older hessian that the server brings lacks classes that it uses.
    let hessian = prepared().join(part).join("lib/hessian-4.0.63.jar");
    let options = [
        format!("-Dnacos.home={}", home.display()),
        format!("-Dnacos.core.auth.enabled={login}"),
        format!("-Dnacos.core.auth.admin.enabled={login}"),
    ];
    let mut options: Vec<&str> = options.iter().map(String::as_str).collect();
    options.extend([
        "--add-opens",
        "java.base/java.lang=ALL-UNNAMED",
        "-Dnacos.standalone=true",
        "-Dserver.address=127.0.0.1",
        "-Dserver.port=8848",
        "-Dnacos.server.main.port=8848",
        "-Dserver.servlet.context-path=/nacos",
        "-Dnacos.inetutils.ip-address=127.0.0.1",
        "-Dnacos.remote.grpc.listen.ip=127.0.0.1",
        "-Dnacos.core.auth.system.type=nacos",
        "-Dnacos.core.auth.server.identity.key=test",
        "-Dnacos.core.auth.server.identity.value=test",
        "-Dnacos.core.auth.plugin.nacos.token.secret.key=c2lsa3JvbGwtdGVzdHMtb25seS1zaWxrcm9sbC10ZXN0cy1vbmx5",
    ]);
    let jvm = Jvm {
        megabytes: 512,
        first: &[&home.display().to_string(), &hessian.display().to_string()],
        options: &options,
    };
    let mut server = world.java("nacos", part, class, &jvm, &[]);
    up(120, &mut server, || get(ready).status == 200);
    if login {
        await_login(generation, &mut server);
    }
    world.ok("the server is up");
    server
}

fn await_login(generation: Generation, server: &mut Process) {
    const FORM: &str = "Content-Type: application/x-www-form-urlencoded";
    let login = format!("username={USER}&password={PASSWORD}");
    let path = match generation {
        Generation::Two => "8848/nacos/v1/auth/login",
        Generation::Three => {
            let first = format!("password={PASSWORD}");
            let made = ask("POST", "8848/nacos/v3/auth/user/admin", &[FORM], &first);
            assert_eq!(made.status, 200, "{made:?}");
            "8848/nacos/v3/auth/user/login"
        }
    };
    // It reads its users every 15 s.
    up(40, server, || {
        ask("POST", path, &[FORM], &login).status == 200
    });
}

/// The official client, told over HTTP what to do.
pub(crate) struct Client {
    pub(crate) process: Process,
    port: u16,
}

impl Client {
    /// The library is `client`, which registers over gRPC, or `client1`, over HTTP with heartbeats.
    pub(crate) fn start(
        world: &World,
        name: &'static str,
        library: &str,
        port: u16,
        login: bool,
    ) -> Self {
        let jvm = Jvm {
            megabytes: 64,
            ..Jvm::default()
        };
        let listen = port.to_string();
        let mut args = vec!["127.0.0.1:8848", &*listen];
        if login {
            args.extend([USER, PASSWORD]);
        }
        let mut process = world.java(name, library, "Client", &jvm, &args);
        let anything = format!("{port}/nothing?");
        up(30, &mut process, || get(&anything).status != 0);
        Self { process, port }
    }

    pub(crate) fn register(&self, instance: &Instance) {
        let Instance {
            service,
            ip,
            weight,
            cluster,
        } = instance;
        let answer = get(&format!(
            "{}/register?service={service}&ip={ip}&port=9810&weight={weight}&cluster={cluster}",
            self.port
        ));
        assert_eq!(answer.text(), "registered");
    }

    /// What a subscribed caller has in its list.
    pub(crate) fn sees(&self, service: &str) -> String {
        let answer = get(&format!("{}/sees?service={service}", self.port));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text()
    }
}

/// What an application registers, always at port 9810.
#[derive(Clone, Copy)]
pub(crate) struct Instance {
    pub(crate) service: &'static str,
    pub(crate) ip: &'static str,
    pub(crate) weight: &'static str,
    pub(crate) cluster: &'static str,
}

impl Instance {
    pub(crate) const fn new(service: &'static str, ip: &'static str) -> Self {
        Self {
            service,
            ip,
            weight: "1.0",
            cluster: "DEFAULT",
        }
    }

    /// As a caller has it in its list, with the metadata that the client sets.
    pub(crate) fn line(&self) -> String {
        format!(
            "{}:9810 cluster={} weight={} version=7\n",
            self.ip, self.cluster, self.weight
        )
    }
}
