//! `prove`: a real node, real rollouts, every request counted.

use std::process::ExitCode;

use prove::node::enclosure::{self, Role};
use prove::node::{Node, Parts, ground, install};
use anyhow::Result;
use std::path::PathBuf;

fn main() -> ExitCode {
    let ended = match Role::of_this_process() {
        Role::Outside => enclosure::enter().map(|status| status.code().unwrap_or(1)),
        Role::First => enclosure::be_first(),
        Role::Inside => work(),
    };
    match ended {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            eprintln!("prove: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn work() -> Result<i32> {
    let a: Vec<PathBuf> = std::env::args_os().skip(1).map(Into::into).collect();
    let begun = std::time::Instant::now();
    ground::lay()?;
    let parts = Parts { kubernetes: a[0].clone(), binaries: a[1].clone(), logs: a[2].clone() };
    let node = Node::start(&parts)?;
    eprintln!("node {:?}", begun.elapsed());
    install::silkroll(&a[3], &a[4], &node.kubectl)?;
    eprintln!("silkroll {:?}", begun.elapsed());
    std::process::Command::new("bash").env("KUBECONFIG", node.kubectl.kubeconfig()).env("PATH", format!("{}:/usr/sbin:/usr/bin:/bin:/sbin", node.kubectl.folder().display())).status()?;
    Ok(0)
}
