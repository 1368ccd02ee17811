//! `nginx` and `signal`: a request in flight is answered whole, and the server has gone when the hook ends.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::ask::get;
use crate::hook::{ONE, RUNNERS, Settings};
use crate::start::{OTHERS, World, program, up, within};
use testkit::process::Process;

/// How long a slow request takes at least, and so a graceful end.
const SLOW: Duration = Duration::from_secs(3);
const WAIT: &str = "15";
/// Takes [`SLOW`] and a bit at the rate that nginx is told.
const FILE: usize = 80_000;

fn settings(method: &str, more: &[(&'static str, &str)]) -> Settings {
    let settings = Settings::new(method, "10.1.2.3", &[("SILKROLL_WAIT_SECONDS", WAIT)]);
    // Neither calls anybody: the wait stands for the time of leaving.
    settings.with("SILKROLL_DEREGISTER_SECONDS", "1").and(more)
}

fn signal(name: &str, process: &str) -> Settings {
    let more = [
        ("SILKROLL_SIGNAL_NAME", name),
        ("SILKROLL_SIGNAL_PROCESS", process),
    ];
    settings("signal", &more)
}

/// For each form of the hook: starts the server, asks it something slow, and runs the hook meanwhile.
fn answers_whole(
    world: &World,
    settings: &Settings,
    log: &str,
    slow: &str,
    expected: &str,
    start: impl Fn() -> Process,
) {
    for runner in RUNNERS {
        let mut server = start();
        thread::scope(|scope| {
            let asked = scope.spawn(|| {
                let begun = Instant::now();
                (get(slow), begun.elapsed())
            });
            // The request has to be at work in the server.
            thread::sleep(Duration::from_secs(1));
            let said = runner.stop(settings);
            // What supervises it needs a moment to see that.
            within(3, "it has gone with the end of the hook", || server.ended());
            said.has(log);
            let (answer, took) = asked.join().unwrap();
            assert!(
                took + Duration::from_millis(200) > SLOW,
                "too quick to prove anything: {took:?}"
            );
            assert_eq!(answer.status, 200, "{answer:?} {}", server.tail());
            assert_eq!(answer.body.len(), expected.len());
            assert_eq!(answer.text(), expected);
            world.ok(&format!(
                "{}: a request of {took:.1?} is answered whole; the server has gone after {:.1?}",
                runner.name, said.took
            ));
        });
    }
}

/// `body` goes into the server block.
fn nginx(world: &World, body: &str, pid: &str) -> Process {
    let dir = world.dir.path().display();
    let config = format!(
        "user root; worker_processes 2; daemon off; pid {pid}; error_log stderr;
        events {{}}
        http {{
          access_log off; client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
          uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
          server {{ listen 127.0.0.1:8080; root {dir}/www; {body} }}
        }}"
    );
    let www = world.dir.path().join("www");
    fs::create_dir_all(&www).unwrap();
    fs::write(www.join("slow"), "x".repeat(FILE)).unwrap();
    let file = world.dir.path().join("nginx.conf");
    fs::write(&file, config).unwrap();
    let program = program("nginx", "nginx-light");
    let mut nginx = world.start("nginx", &program, &["-c", &file.display().to_string()]);
    up(20, &mut nginx, || get("8080/").status != 0);
    nginx
}

/// Where Debian's own configuration, which `nginx -s quit` reads, has the process id.
const PID: &str = "/run/nginx.pid";

#[test]
#[ignore = "starts real registries: make test-registries"]
fn nginx_by_its_own_command() {
    let world = World::new("nginx", &OTHERS);
    let settings = settings("nginx", &[]);
    answers_whole(
        &world,
        &settings,
        "silkroll: nginx: quit, and has ended",
        "8080/slow",
        &"x".repeat(FILE),
        || nginx(&world, "limit_rate 20k;", PID),
    );
    // Its process id is in a file that the command does not know of.
    let other = world.dir.path().join("nginx.pid").display().to_string();
    answers_whole(
        &world,
        &settings,
        "silkroll: nginx: QUIT to process",
        "8080/slow",
        &"x".repeat(FILE),
        || nginx(&world, "limit_rate 20k;", &other),
    );
    world.ok("also where `nginx -s quit` does not find it, by a signal");

    // A request that outlasts the wait: the kubelet's SIGTERM comes next, the hook must not hold it up.
    let mut stays = nginx(&world, "limit_rate 1k;", PID);
    thread::scope(|scope| {
        scope.spawn(|| get("8080/slow"));
        thread::sleep(Duration::from_secs(1));
        let said = ONE.stop(&settings.with("SILKROLL_WAIT_SECONDS", "3"));
        assert!(said.log.contains("3 s"), "{}", said.log);
        assert!(!stays.ended());
        stays.kill().unwrap();
        // Its workers outlive a master that was killed.
        end_all("nginx");
    });
    world.ok("a request that takes longer than the wait does not hold the hook up");
}

/// Ends what is left of a program; only our own processes are in this process namespace.
fn end_all(comm: &str) {
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if name.trim() == comm {
            let pid = entry.file_name();
            let _ = std::process::Command::new("kill")
                .arg("-9")
                .arg(pid)
                .status();
        }
    }
}

/// A WSGI application whose /slow takes its time.
fn wsgi(world: &World) -> String {
    let file = world.dir.path().join("slow.py");
    let text = format!(
        "import time
def application(environ, start_response):
    if environ['PATH_INFO'] == '/slow':
        time.sleep({})
    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '12')])
    return [b'whole answer']
",
        SLOW.as_secs()
    );
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[test]
#[ignore = "starts real registries: make test-registries"]
fn gunicorn_by_signal() {
    let world = World::new("gunicorn", &OTHERS);
    wsgi(&world);
    let program = program("gunicorn", "gunicorn");
    let args = ["--bind=127.0.0.1:8001", "--workers=2", "slow:application"];
    answers_whole(
        &world,
        &signal("TERM", "gunicorn"),
        "silkroll: signal: TERM to process",
        "8001/slow",
        "whole answer",
        || {
            let mut server = world.start("gunicorn", &program, &args);
            up(20, &mut server, || get("8001/").status == 200);
            server
        },
    );
}

#[test]
#[ignore = "starts real registries: make test-registries"]
fn uwsgi_by_signal() {
    let world = World::new("uWSGI", &OTHERS);
    let file = wsgi(&world);
    let program = program("uwsgi", "uwsgi-core");
    let args = [
        "--plugin=python3",
        "--http-socket=127.0.0.1:8001",
        "--wsgi-file",
        &*file,
        "--master",
        "--processes=2",
        // TERM reloads; with die-on-term it cuts requests off, as QUIT and INT do.
        "--hook-master-start=unix_signal:15 gracefully_kill_them_all",
    ];
    answers_whole(
        &world,
        &signal("TERM", "uwsgi"),
        "silkroll: signal: TERM to process",
        "8001/slow",
        "whole answer",
        || {
            let mut server = world.start("uwsgi", &program, &args);
            up(20, &mut server, || get("8001/").status == 200);
            server
        },
    );
}

#[test]
#[ignore = "starts real registries: make test-registries"]
fn php_fpm_by_signal() {
    let world = World::new("php-fpm", &OTHERS);
    let dir = world.dir.path().display().to_string();
    let config = world.dir.path().join("php-fpm.conf");
    // Without the first line QUIT ends the workers at once.
    let text = format!(
        "[global]\nprocess_control_timeout = 20\nerror_log = {dir}/php-fpm-errors.log\npid = {dir}/php-fpm.pid\n\
         [www]\nuser = root\ngroup = root\nlisten = 127.0.0.1:9100\npm = static\npm.max_children = 2\n"
    );
    fs::write(&config, text).unwrap();
    let front = "location / { include /etc/nginx/fastcgi_params; \
         fastcgi_param SCRIPT_FILENAME $document_root/slow.php; fastcgi_pass 127.0.0.1:9100; }";
    let _nginx = nginx(&world, front, PID);
    // Its own sleep() would end at the signal.
    let page = format!(
        "<?php $end = microtime(true) + {}; while (microtime(true) < $end) usleep(10000); echo 'whole answer';",
        SLOW.as_secs()
    );
    let quick = "<?php if ($_SERVER['REQUEST_URI'] !== '/slow') { echo 'quick'; return; } ?>";
    fs::write(
        world.dir.path().join("www/slow.php"),
        format!("{quick}{page}"),
    )
    .unwrap();

    let (program, process) = php_fpm();
    let args = [
        "--nodaemonize",
        "--allow-to-run-as-root",
        "--fpm-config",
        &config.display().to_string(),
    ];
    answers_whole(
        &world,
        &signal("QUIT", &process),
        "silkroll: signal: QUIT to process",
        "8080/slow",
        "whole answer",
        || {
            let mut server = world.start("php-fpm", &program, &args);
            up(20, &mut server, || get("8080/quick").body == b"quick");
            server
        },
    );
}

/// The program with Debian's version in its name, and that name.
fn php_fpm() -> (String, String) {
    let found = fs::read_dir("/usr/sbin").unwrap().flatten();
    let name = found
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .find(|name| name.starts_with("php-fpm"))
        .expect("php-fpm is missing: apt-get install -y php-fpm");
    (format!("/usr/sbin/{name}"), name)
}
