//! Whether a hook ends the server before anything else: then nobody listens any more while endpoints still lead here,
//! however long the hook goes on. Only what leaves no doubt is told: who is meant, and that the signal ends it.
//!
//! Sources: nginx's "Controlling nginx" (`quit` and `stop` close the listening sockets first), kill(1), the manual of Apache's
//! `-k graceful-stop`, Spring Boot's `shutdown` endpoint.

use super::hook::{mentions, program};
use super::shell::{End, Script, Word};
use super::time::{Time, behind};

/// Servers by the names of their processes.
const SERVERS: [&str; 14] = [
    "nginx",
    "openresty",
    "httpd",
    "apache2",
    "java",
    "node",
    "gunicorn",
    "uvicorn",
    "python",
    "python3",
    "ruby",
    "puma",
    "dotnet",
    "php-fpm",
];

/// Signals that end a server, gracefully or not, by name and number.
const ENDING: [&str; 8] = ["TERM", "15", "INT", "2", "QUIT", "3", "KILL", "9"];

/// Whether the first deed of a script is to end the server.
pub(super) fn ends_first(script: &Script) -> bool {
    let mut before = End::Next;
    for command in &script.commands {
        let words = command.run();
        if matches!(before, End::Or | End::Pipe) || command.end == End::Pipe {
            return false;
        }
        if ends(words) {
            return true;
        }
        if Time::of_words(words) != Time::exact(0) {
            return false;
        }
        before = command.end;
    }
    false
}

/// Whether a command ends the server.
pub(super) fn ends(words: &[Word]) -> bool {
    let Some((first, rest)) = behind(words).split_first() else {
        return false;
    };
    let is = |at: usize, any: &[&str]| {
        let word = rest.get(at).map(|word| word.text.as_str());
        word.is_some_and(|word| any.contains(&word))
    };
    match program(&first.text) {
        "nginx" | "openresty" => {
            (0..rest.len()).any(|at| is(at, &["-s"]) && is(at + 1, &["quit", "stop"]))
        }
        "apachectl" | "apache2ctl" | "httpd" | "apache2" => {
            let stop = ["graceful-stop", "stop"];
            is(0, &stop) || is(0, &["-k"]) && is(1, &stop)
        }
        "curl" | "wget" => {
            let mut words = rest.iter();
            words.any(|word| mentions(&word.text, &["/actuator/shutdown"]))
        }
        "kill" => signalled(rest).is_some_and(|mut whom| whom.any(is_the_server)),
        "killall" | "pkill" => signalled(rest).is_some_and(|mut whom| {
            whom.any(|word| !word.open && SERVERS.contains(&program(&word.text)))
        }),
        _ => false,
    }
}

/// Whom a command like `kill` sends a signal that ends a server.
fn signalled(words: &[Word]) -> Option<impl Iterator<Item = &Word>> {
    let mut whom = words;
    let mut signal = "TERM";
    while let [first, rest @ ..] = whom {
        let Some(option) = first.text.strip_prefix('-') else {
            break;
        };
        whom = rest;
        match option {
            "-" => break,
            "s" | "-signal" => {
                let (name, rest) = whom.split_first()?;
                (signal, whom) = (&name.text, rest);
            }
            // Of pkill and killall: how names are compared.
            "f" | "x" | "e" | "w" | "-exact" | "-full" | "-wait" => {}
            option => signal = option.strip_prefix("-signal=").unwrap_or(option),
        }
    }
    let signal = signal.to_ascii_uppercase();
    let name = signal.strip_prefix("SIG").unwrap_or(&signal);
    ENDING.contains(&name).then(|| whom.iter())
}

/// Process 1 is the server; so is one that is looked up by a server's name.
fn is_the_server(word: &Word) -> bool {
    if !word.open {
        return matches!(&*word.text, "1" | "-1");
    }
    let mut words = word
        .text
        .split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'));
    let looked_up = ["pidof", "pgrep", "cat"];
    looked_up
        .iter()
        .any(|how| words.clone().any(|word| word == *how))
        && words.any(|word| SERVERS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_ended_first_where_nothing_waits_before() {
        for (script, expected) in [
            (
                "nginx -s quit; while killall -0 nginx; do sleep 1; done",
                true,
            ),
            ("/usr/sbin/nginx -s quit; sleep 20", true),
            ("nginx -c /etc/n.conf -s stop && sleep 20", true),
            ("nginx -s reload; sleep 20", false),
            ("sleep 5; nginx -s quit", false),
            ("echo bye; A=1; nginx -s quit || true; sleep 9", true),
            ("true || nginx -s quit; sleep 9", false),
            ("kill 1; sleep 20", true),
            ("kill -s TERM 1 && sleep 20", true),
            ("kill -SIGQUIT -- 1; sleep 20", true),
            ("kill -15 1; sleep 20", true),
            ("kill -0 1; sleep 20", false),
            ("kill -HUP 1; sleep 20", false),
            ("kill -USR1 1; sleep 20", false),
            ("kill 17; sleep 20", false),
            ("kill $(pidof nginx); sleep 20", true),
            ("kill -QUIT `cat /var/run/nginx.pid`; sleep 20", true),
            ("kill $(pidof filebeat); sleep 20", false),
            ("kill $PID; sleep 20", false),
            ("pkill -TERM java; sleep 20", true),
            ("pkill -f java; sleep 20", true),
            ("killall --signal QUIT nginx; sleep 20", true),
            ("killall -0 nginx; sleep 20", false),
            ("pkill filebeat; sleep 20", false),
            ("apachectl -k graceful-stop; sleep 20", true),
            ("httpd -k graceful; sleep 20", false),
            ("exec nginx -s quit", true),
            ("curl -X POST localhost/out; kill 1; sleep 20", false),
            (
                "curl -X POST localhost:8080/actuator/shutdown; sleep 20",
                true,
            ),
            (
                "curl -X PUT 'nacos:8848/nacos/v1/ns/instance?enabled=false'; sleep 20",
                false,
            ),
            ("if test -e /x; then kill 1; fi; sleep 20", false),
            ("(kill 1; sleep 20)", true),
            ("echo kill 1; sleep 20", false),
            ("", false),
        ] {
            let script = Script::read(script, &|_| None);
            assert_eq!(ends_first(&script), expected, "{script:?}");
        }
    }
}
