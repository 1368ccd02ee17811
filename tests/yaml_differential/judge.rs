//! The program in tests/yaml, and what it and we make of an input.

use serde_json::Value;
use silkroll::manifest::{self, Fault, Limits};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What was read of an input: the documents up to the first that was refused, and why that was.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) documents: Vec<Value>,
    pub(crate) refused: Option<String>,
}

pub(crate) struct Judge {
    child: Child,
    input: BufWriter<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// Builds it where that was not done yet.
pub(crate) fn program() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/yaml/build.sh");
    let built = Command::new(script)
        .stderr(Stdio::inherit())
        .output()
        .expect("tests/yaml/build.sh starts");
    assert!(
        built.status.success(),
        "tests/yaml/build.sh failed: what it says above helps"
    );
    String::from_utf8(built.stdout).unwrap().trim().into()
}

impl Judge {
    pub(crate) fn start() -> Self {
        let mut child = Command::new(program())
            // Less collecting of garbage: it takes a third of its time else.
            .env("GOGC", "800")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the judge starts");
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self {
            child,
            input: BufWriter::new(input),
            output: BufReader::new(output),
        }
    }

    /// Asks about one input.
    pub(crate) fn read(&mut self, text: &[u8]) -> Answer {
        send(&mut self.input, text);
        self.input.flush().unwrap();
        receive(&mut self.output)
    }

    /// For many at once: whoever sends must not wait for answers.
    pub(crate) fn apart(self) -> (Child, BufWriter<ChildStdin>, BufReader<ChildStdout>) {
        (self.child, self.input, self.output)
    }

    pub(crate) fn end(self) {
        let Self {
            mut child, input, ..
        } = self;
        drop(input);
        child.wait().unwrap();
    }
}

pub(crate) fn send(to: &mut impl Write, text: &[u8]) {
    let length = u32::try_from(text.len()).unwrap();
    to.write_all(&length.to_le_bytes()).unwrap();
    to.write_all(text).unwrap();
}

pub(crate) fn receive(from: &mut impl Read) -> Answer {
    let mut length = [0; 4];
    from.read_exact(&mut length).expect("the judge answers");
    let mut text = vec![0; usize::try_from(u32::from_le_bytes(length)).unwrap()];
    from.read_exact(&mut text).unwrap();
    let mut value: Value = serde_json::from_slice(&text).unwrap();
    Answer {
        documents: match value["documents"].take() {
            Value::Array(documents) => documents,
            other => panic!("no documents: {other}"),
        },
        refused: value["refused"].as_str().map(str::to_owned),
    }
}

/// What we refuse although kubectl takes it, for what it would do with it is never meant.
fn on_purpose(fault: &Fault) -> Option<&'static str> {
    match fault {
        Fault::Character(_) => Some("line breaks of YAML 1.1 alone, and byte order marks inside"),
        Fault::AfterEnd | Fault::Directive(_) => Some("content that kubectl drops without a word"),
        Fault::DuplicateKey { .. } => Some("two keys, of which kubectl takes one at random"),
        Fault::Stray(_) => Some("bytes for which kubectl puts U+FFFD"),
        Fault::Tag { tag, .. } if tag == "!!binary" => Some("bytes for which kubectl puts U+FFFD"),
        // Half of a surrogate pair: the only thing that JSON's grammar allows and our reader does not.
        Fault::Json(text) if text == "something unexpected" => {
            Some("bytes for which kubectl puts U+FFFD")
        }
        Fault::Separator(_) => Some("`---#`, which is a separator in other places"),
        Fault::TooDeep(_) => Some("more than 100 levels"),
        _ => None,
    }
}

/// The values, or why not and whether that is on purpose.
pub(crate) fn ours(text: &[u8]) -> (Answer, Option<&'static str>) {
    let text = manifest::as_text(text);
    let mut found = Answer {
        documents: Vec::new(),
        refused: None,
    };
    let documents = match manifest::read(&text, &Limits::default()) {
        Ok(documents) => documents,
        Err(error) => {
            found.refused = Some(error.to_string());
            let nul = matches!(error, manifest::Error::Nul { .. });
            return (found, nul.then_some("the whole input for a NUL byte"));
        }
    };
    for document in documents {
        match document {
            Ok(document) if document.value().is_null() => {}
            Ok(document) => found.documents.push(document.value().clone()),
            Err(error) => {
                found.refused = Some(error.to_string());
                return (found, on_purpose(&error.fault));
            }
        }
    }
    (found, None)
}

/// `None` where both made the same of an input; `Some` of the reason where we refuse it on purpose; else what differs.
pub(crate) fn compare(text: &[u8], theirs: &Answer) -> Result<Option<&'static str>, String> {
    let (ours, reason) = ours(text);
    let same_documents = |count: usize| {
        ours.documents.len() >= count
            && theirs.documents.len() >= count
            && ours.documents[..count]
                .iter()
                .zip(&theirs.documents)
                .all(|(ours, theirs)| same(ours, theirs))
    };
    let before = ours.documents.len();
    if reason.is_some() && same_documents(before) {
        return Ok(reason);
    }
    let alike = match (&ours.refused, &theirs.refused) {
        (None, None) => before == theirs.documents.len(),
        // A wrong separator takes the document before it along.
        (Some(_), Some(_)) => before.abs_diff(theirs.documents.len()) <= 1,
        _ => false,
    };
    if alike && same_documents(before.min(theirs.documents.len())) {
        return Ok(None);
    }
    Err(format!("kubectl: {theirs:?}\nsilkroll: {ours:?}"))
}

/// As Kubernetes compares: 1 and 1.0 are the same, and kubectl rounds what does not fit into 63 bits.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(ours), Value::Number(theirs)) => {
            ours == theirs
                || ((ours.as_i64().is_none() || theirs.as_i64().is_none())
                    && near(ours.as_f64(), theirs.as_f64()))
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len()
                && ours
                    .iter()
                    .zip(theirs)
                    .all(|(ours, theirs)| same(ours, theirs))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours
                    .iter()
                    .all(|(key, ours)| theirs.get(key).is_some_and(|theirs| same(ours, theirs)))
        }
        _ => ours == theirs,
    }
}

/// The same but for the last bit, which `serde_json` may lose when it reads the judge's answer.
fn near(ours: Option<f64>, theirs: Option<f64>) -> bool {
    ours == theirs
        || ours
            .zip(theirs)
            .is_some_and(|(ours, theirs)| (ours - theirs).abs() <= ours.abs() * f64::EPSILON)
}
