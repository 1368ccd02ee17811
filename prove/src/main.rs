//! `prove`: a real node, real rollouts, every request counted. Or the node alone, with a command in it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Parser;
use prove::load::Plan;
use prove::lock::lock;
use prove::node::enclosure::{self, ROLE, Role};
use prove::node::groups::{self, Group};
use prove::node::proxy::Proxy;
use prove::node::registry::Registry;
use prove::node::services::{HERE, Service};
use prove::node::{Node, Parts, ground, install, undelivered};
use prove::report::{self, Report};
use prove::scenario::{self, Entry, Lane, Namespaces, Place, Scenario, Settings};
use testkit::kubectl::Kubectl;
use testkit::process::Spec;

/// Rolls real services over and over on a real Kubernetes node, with Silkroll and without, and
/// counts every request that was lost. Everything it starts ends with it.
#[derive(Debug, Parser)]
struct Options {
    /// The folder with etcd, kubectl and the programs of Kubernetes
    #[arg(long, value_name = "FOLDER")]
    kubernetes: PathBuf,
    /// The folder with the static binaries of this crate
    #[arg(long, value_name = "FOLDER")]
    binaries: PathBuf,
    /// The folder with traefik
    #[arg(long, value_name = "FOLDER", required_unless_present = "command")]
    traefik: Option<PathBuf>,
    /// The folder with registries and their clients
    #[arg(long, value_name = "FOLDER", required_unless_present = "command")]
    registries: Option<PathBuf>,
    /// Prove nothing: start the node with Silkroll and the images of `service` in it, run this in a shell
    /// with KUBECONFIG set, and end with it. Empty: an interactive shell
    #[arg(long, conflicts_with = "scenarios")]
    command: Option<String>,
    /// The static binary that the image of Silkroll gets
    #[arg(long, value_name = "FILE")]
    silkroll: PathBuf,
    /// Where README.md, Dockerfile and manifests/ are
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    repository: PathBuf,
    /// Where the results go
    #[arg(long, value_name = "FOLDER", default_value = "target/prove")]
    out: PathBuf,
    /// How often each service is replaced
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    rollouts: u32,
    /// As often also where that takes long, such as with the lists of Eureka's callers
    #[arg(long)]
    evenly: bool,
    /// Requests a second, for each service
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// How many scenarios run at once, each with both arms, beside one that mostly waits
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    at_once: u32,
    /// How kube-proxy leads connections to pods
    #[arg(long, value_name = "MODE", value_enum, default_value_t)]
    proxy_mode: Proxy,
    /// The scenarios; all, if none is named
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let ended = match Role::of_this_process() {
        Role::Outside => outside(&options),
        Role::First => enclosure::be_first(),
        Role::Inside => inside(&options),
    };
    match ended {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            eprintln!("prove: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn outside(options: &Options) -> Result<i32> {
    // A misspelt name is better heard of before the node is up.
    chosen(options)?;
    fs::create_dir_all(&options.out)
        .with_context(|| format!("making {}", options.out.display()))?;
    let lock = options.out.join("lock");
    let lock = File::create(&lock).with_context(|| format!("making {}", lock.display()))?;
    if lock.try_lock().is_err() {
        bail!(
            "another run writes to {}: wait for it, or see --out",
            options.out.display()
        );
    }
    let logs = options.out.join("logs");
    if logs.exists() {
        fs::remove_dir_all(&logs).with_context(|| format!("removing {}", logs.display()))?;
    }
    fs::create_dir_all(&logs).with_context(|| format!("making {}", logs.display()))?;
    report::clear(&options.out)?;
    let status = enclosure::enter()?;
    // A shell's way to say that a signal ended it.
    Ok(status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1))
}

fn inside(options: &Options) -> Result<i32> {
    let begun = Instant::now();
    let absolute = |path: &PathBuf| {
        fs::canonicalize(path).with_context(|| format!("{} is not there", path.display()))
    };
    let out = absolute(&options.out)?;
    let parts = Parts {
        kubernetes: absolute(&options.kubernetes)?,
        binaries: absolute(&options.binaries)?,
        logs: out.join("logs"),
        proxy: options.proxy_mode,
    };
    let repository = absolute(&options.repository)?;
    let silkroll = absolute(&options.silkroll)?;

    ground::lay(&out)?;
    undelivered::watch()?;
    Group::Load.take(std::process::id())?;
    let mut node = Node::start(&parts)?;
    say(begun, "the node is Ready");
    if let Some(command) = &options.command {
        for service in [Service::Bare, Service::Shell] {
            service.make(&parts.binaries, Path::new(""))?;
        }
        install::silkroll(&repository, &silkroll, &node.kubectl)?;
        say(begun, "Silkroll is installed, both replicas serve");
        return shell(&node.kubectl, command);
    }

    let scenarios = chosen(options)?;
    let needed = |path: &Option<PathBuf>| absolute(path.as_ref().context("a folder is missing")?);
    let registries = needed(&options.registries)?;
    // They take longest to come up, and do so while images are made.
    for registry in registries_of(&scenarios) {
        registry.start(&mut node, &parts, &registries)?;
    }
    for service in services(&scenarios) {
        service.make(&parts.binaries, &registries)?;
    }
    install::silkroll(&repository, &silkroll, &node.kubectl)?;
    say(begun, "Silkroll is installed, both replicas serve");
    if scenarios.iter().any(|scenario| scenario.injects_pods()) {
        install::pods(&repository, &node.kubectl)?;
        say(begun, "level: pod is switched on");
    }

    if scenarios
        .iter()
        .any(|scenario| scenario.entry == Entry::Ingress)
    {
        let spec = ingress(&needed(&options.traefik)?, &node);
        node.run(&parts, &spec, Group::Beside)?;
    }
    let mut report = run_all(&mut node, &parts, &registries, &scenarios, options, begun)?;
    // The verdict does not hang on it.
    if let Err(error) = install::save_log(&node.kubectl, &parts.logs) {
        eprintln!("prove: without Silkroll's log: {error:#}");
    }
    let undelivered = undelivered::count()?;
    let _ = write!(
        report.about,
        " New connections that kube-proxy's rules refused, though there were endpoints: {undelivered}."
    );
    match undelivered::seen() {
        Ok(seen) => report.tell_apart(seen),
        Err(error) => eprintln!("prove: without their times: {error:#}"),
    }
    report.conclude(begun.elapsed(), &options.out)?;
    println!(
        "What was seen: report.md, report.json and a picture of each scenario in {}",
        options.out.display()
    );
    Ok(i32::from(!report.problems.is_empty()))
}

/// The runs, and the arms that could not be run: the others count all the same.
fn run_all(
    node: &mut Node,
    parts: &Parts,
    registries: &Path,
    scenarios: &[&'static Scenario],
    options: &Options,
    begun: Instant,
) -> Result<Report> {
    let settings = Settings {
        times: options.rollouts,
        evenly: options.evenly,
        plan: Plan {
            rate: options.rate,
            timeout: Plan::TIMEOUT,
            ..Plan::default()
        },
        place: Place::Node {
            ingress: INGRESS,
            registries: registries.to_owned(),
        },
        // They end with the node.
        namespaces: Arc::new(Namespaces::new("")),
        logs: parts.logs.clone(),
    };
    let order = scenario::all().iter().map(|scenario| scenario.name);
    let report = Report::begin(about(options, parts)?, order.collect());
    let kubectl = node.kubectl.clone();
    let so_far = Mutex::new((report, node));
    let run = |lane: Lane| -> Result<()> {
        for group in lane {
            // Only now: those that need none have begun before it was up.
            for registry in registries_of(&group) {
                registry.wait(lock(&so_far).1)?;
            }
            let (done, failed) = scenario::together(&kubectl, &group, &settings);
            let (report, node) = &mut *lock(&so_far);
            report.add(done, failed, &options.out)?;
            node.check()?;
            for scenario in group {
                say(begun, &format!("{}: done", scenario.name));
            }
        }
        Ok(())
    };
    for lanes in scenario::stages(scenarios, usize::try_from(options.at_once)?) {
        thread::scope(|scope| -> Result<()> {
            let running: Vec<_> = lanes
                .into_iter()
                .map(|lane| scope.spawn(|| run(lane)))
                .collect();
            for lane in running {
                lane.join().map_err(|_| anyhow!("a lane panicked"))??;
            }
            Ok(())
        })?;
    }
    let (report, _) = so_far.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(report)
}

/// A command on the node, or a shell for whoever wants to look around there.
fn shell(kubectl: &Kubectl, command: &str) -> Result<i32> {
    let mut shell = Command::new("bash");
    let installed = install::folder();
    if command.is_empty() {
        println!(
            "A shell on the node: kubectl talks to it, silkroll is there, too. Nothing can be pulled; the images are \
             {HERE}/shell and {HERE}/bare\n(the same without a shell), versions 1 and 2: an HTTP server on port 8080.\n\
             `exit` ends the node with all that runs there."
        );
    } else {
        shell.args(["-c", command]);
    }
    let inherited = std::env::var("PATH").unwrap_or_default();
    let status = shell
        .env(
            "PATH",
            format!(
                "{}:{}/bin:{inherited}",
                kubectl.folder().display(),
                installed.display()
            ),
        )
        .envs(kubectl.environment())
        // They say in which of the node's processes and groups this program is, and would say so to another one.
        .env_remove(ROLE)
        .env_remove(groups::VARIABLE)
        .status()
        .context("starting bash")?;
    Ok(status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)))
}

/// What the figures depend on, for the head of the report.
fn about(options: &Options, parts: &Parts) -> Result<String> {
    let said = |program: &Path, args: &[&str]| -> Result<String> {
        let output = Command::new(program)
            .args(args)
            .output()
            .with_context(|| format!("starting {}", program.display()))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let kubelet = said(&parts.kubernetes.join("kubelet"), &["--version"])?;
    let silkroll = said(&fs::canonicalize(&options.silkroll)?, &["--version"])?;
    let kernel =
        fs::read_to_string("/proc/sys/kernel/osrelease").context("the kernel's version")?;
    Ok(format!(
        "{silkroll} on {kubelet}, kube-proxy with {}, Linux {}, {} processors. Up to {} replacements of each service, {} requests a \
         second for each arm of each scenario, {} scenarios at once beside one that mostly waits, timeouts of {} s.",
        options.proxy_mode,
        // What a distribution adds says nothing to others.
        kernel.trim().split('-').next().unwrap_or_default(),
        thread::available_parallelism()?,
        options.rollouts,
        options.rate,
        options.at_once,
        Plan::TIMEOUT.as_secs(),
    ))
}

fn chosen(options: &Options) -> Result<Vec<&'static Scenario>> {
    let all: Vec<&Scenario> = scenario::all().iter().collect();
    scenario::chosen(&all, &options.scenarios)
}

/// The images that are needed, each once.
fn services(scenarios: &[&Scenario]) -> Vec<Service> {
    let mut services = Vec::new();
    for scenario in scenarios {
        if !services.contains(&scenario.image) {
            services.push(scenario.image);
        }
    }
    services
}

/// The registries that are needed, each once.
fn registries_of(scenarios: &[&Scenario]) -> Vec<Registry> {
    let mut registries = Vec::new();
    for scenario in scenarios {
        if let Entry::Gateway(registry) = scenario.entry
            && !registries.contains(&registry)
        {
            registries.push(registry);
        }
    }
    registries
}

/// Where the ingress controller listens.
const INGRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8000);

/// Traefik with its defaults, as a program beside the node's own.
fn ingress(folder: &Path, node: &Node) -> Spec {
    Spec {
        name: "traefik".to_owned(),
        program: folder.join("traefik"),
        args: vec![
            "--providers.kubernetesingress".to_owned(),
            format!("--entrypoints.web.address={INGRESS}"),
            "--global.checknewversion=false".to_owned(),
            "--global.sendanonymoususage=false".to_owned(),
        ],
        env: node.kubectl.environment().collect(),
    }
}

fn say(begun: Instant, what: &str) {
    println!("{:4} s  {what}", begun.elapsed().as_secs());
}
