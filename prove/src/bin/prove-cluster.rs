//! `prove-cluster`: the same proof in a cluster that is there already, and the image that it needs.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use prove::cluster;
use prove::load::Plan;
use prove::node::services::{HERE, Service};
use prove::node::{archive, enclosure, install};
use prove::report::{self, Report};
use prove::scenario::{self, Namespaces, Place, Scenario, Settings};
use testkit::kubectl::Kubectl;

/// The proof in a cluster that is there already, with Silkroll installed.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write the images of the services under load into one archive, as `docker save` does
    Image {
        /// The folder with the static binaries of this crate
        #[arg(long, value_name = "FOLDER")]
        binaries: PathBuf,
        /// The archive
        #[arg(long, value_name = "FILE")]
        archive: PathBuf,
    },
    /// Roll services in the cluster, in namespaces that are deleted at the end, and count lost requests
    Run(Where),
}

#[derive(Debug, clap::Args)]
struct Where {
    /// The context of the kubeconfig; there is no default
    #[arg(long, value_name = "NAME")]
    context: String,
    /// Where the cluster pulls the images from; else they have been loaded into its nodes
    #[arg(long, value_name = "REGISTRY/FOLDER", default_value = HERE)]
    images: String,
    /// Where the results go
    #[arg(long, value_name = "FOLDER", default_value = "target/prove-cluster")]
    out: PathBuf,
    /// How often each service is replaced
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    rollouts: u32,
    /// Requests a second, for each service
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// How many scenarios run at once, each with both arms
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    at_once: u32,
    /// The scenarios; all that need nothing but a cluster, if none is named
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
}

fn main() -> ExitCode {
    let done = match Options::parse().what {
        What::Image { binaries, archive } => image(&binaries, &archive).map(|()| true),
        What::Run(place) => run(&place),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("prove-cluster: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Both services that need nothing local, in both versions.
fn image(binaries: &Path, archive: &Path) -> Result<()> {
    let home = archive.with_extension("roots");
    drop(fs::remove_dir_all(&home));
    let mut images = Vec::new();
    for service in [Service::Bare, Service::Shell] {
        images.push(service.image(&home, binaries, Path::new(""))?);
    }
    archive::write(archive, &images)?;
    fs::remove_dir_all(&home).with_context(|| format!("removing {}", home.display()))?;
    println!("{}, one of:", archive.display());
    for way in [
        "kind load image-archive",
        "k3d image import",
        "docker load --input",
        "ctr -n k8s.io images import",
    ] {
        println!("  {way} {}", archive.display());
    }
    let names: Vec<String> = images.into_iter().flat_map(|image| image.names).collect();
    println!("In it: {}", names.join(", "));
    Ok(())
}

/// Whether it is a proof.
fn run(place: &Where) -> Result<bool> {
    let begun = Instant::now();
    let scenarios = scenario::chosen(&scenario::anywhere(), &place.scenarios)?;
    let kubectl = cluster::kubectl(&place.context)?;
    let about = cluster::check(&kubectl)?;
    let logs = place.out.join("logs");
    if logs.exists() {
        fs::remove_dir_all(&logs).with_context(|| format!("removing {}", logs.display()))?;
    }
    fs::create_dir_all(&logs).with_context(|| format!("making {}", logs.display()))?;
    report::clear(&place.out)?;
    println!("{about}");

    let namespaces = Arc::new(Namespaces::new(cluster::PREFIX));
    {
        let (kubectl, namespaces) = (kubectl.clone(), Arc::clone(&namespaces));
        enclosure::at_signals(move || {
            // Not eprintln!, which panics where the terminal has gone.
            let say = |what: &str| drop(writeln!(io::stderr(), "prove-cluster: {what}"));
            say("interrupted; its namespaces are being deleted");
            if let Err(error) = namespaces.end(&kubectl, false) {
                say(&format!("{error:#}"));
            }
            // A shell's way to say that Ctrl-C ended it.
            std::process::exit(130);
        })?;
    }
    let settings = Settings {
        times: place.rollouts,
        evenly: true,
        plan: Plan {
            rate: place.rate,
            timeout: Plan::TIMEOUT,
            ..Plan::default()
        },
        place: Place::Cluster {
            images: place.images.clone(),
        },
        namespaces: Arc::clone(&namespaces),
        logs: logs.clone(),
    };
    let about = format!(
        "{about} Up to {} replacements of each service, {} requests a second for each arm of each scenario, scenarios at \
         once: {}, timeouts of {} s.",
        place.rollouts,
        place.rate,
        place.at_once,
        Plan::TIMEOUT.as_secs()
    );
    let done = run_all(&kubectl, &scenarios, place, &settings, &about, begun);
    let deleted = namespaces.end(&kubectl, true);
    let mut report = done?;
    deleted?;
    // Whose log it is may be read by others than those who may roll.
    if let Err(error) = install::save_log(&kubectl, &logs) {
        eprintln!("prove-cluster: without Silkroll's log: {error:#}");
    }
    report.conclude(begun.elapsed(), &place.out)?;
    println!(
        "What was seen: report.md, report.json and a picture of each scenario in {}",
        place.out.display()
    );
    Ok(report.problems.is_empty())
}

/// The runs, and what could not be run.
fn run_all(
    kubectl: &Kubectl,
    scenarios: &[&'static Scenario],
    place: &Where,
    settings: &Settings,
    about: &str,
    begun: Instant,
) -> Result<Report> {
    let order = scenarios.iter().map(|scenario| scenario.name);
    let mut report = Report::begin(about.to_owned(), order.collect());
    // Those that may run beside others, or have to run alone, are not for any cluster.
    let stages = scenario::stages(scenarios, usize::try_from(place.at_once)?);
    let mut groups = stages.into_iter().flatten().flatten();
    for together in groups.by_ref() {
        let (done, failed) = scenario::together(kubectl, &together, settings);
        let none = done.is_empty();
        report.add(done, failed, &place.out)?;
        for scenario in together {
            println!("{:4} s  {}: over", begun.elapsed().as_secs(), scenario.name);
        }
        // The next would wait for the same image, or be refused for the same reason.
        if none {
            break;
        }
    }
    report.problems.extend(
        groups
            .flatten()
            .map(|scenario| format!("{} was not tried", scenario.name)),
    );
    Ok(report)
}
