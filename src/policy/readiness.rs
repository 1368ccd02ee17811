use super::value;

/// A port as an annotation names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port<'a> {
    /// 1 to 65535.
    Number(u16),
    /// The name of a declared port.
    Name(&'a str),
}

impl<'a> Port<'a> {
    /// Reads a port that [`value::port`] allows.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        match text.parse() {
            Ok(number) => value::port(text).then_some(Self::Number(number)),
            Err(_) => value::port(text).then_some(Self::Name(text)),
        }
    }
}

/// The value of `silkroll.dev/readiness`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness<'a> {
    /// No probe.
    None,
    /// A connection.
    Tcp(Port<'a>),
    /// A GET request.
    Http {
        /// `HTTP` or `HTTPS`.
        scheme: &'static str,
        /// Where.
        port: Port<'a>,
        /// With its leading slash.
        path: &'a str,
    },
    /// The health service of gRPC.
    Grpc {
        /// Where.
        port: Port<'a>,
        /// May be empty.
        service: &'a str,
    },
    /// A command and its arguments; no shell reads them.
    Exec(Vec<String>),
}

impl<'a> Readiness<'a> {
    /// Reads the annotation's value.
    ///
    /// # Errors
    /// What is allowed, as a sentence.
    pub fn parse(text: &'a str) -> Result<Self, &'static str> {
        const FORMS: &str = "allowed is tcp://:PORT, http://:PORT/PATH, https://:PORT/PATH, \
             grpc://:PORT/SERVICE, exec:COMMAND… or none, where PORT is 1–65535 or a declared port's name";
        if text == "none" {
            return Ok(Self::None);
        }
        if text.len() > 2048 {
            return Err("allowed are at most 2048 bytes");
        }
        if let Some(command) = text.strip_prefix("exec:") {
            return Self::exec(command);
        }
        let Some((scheme, rest)) = text.split_once("://:") else {
            return Err(FORMS);
        };
        let (port, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let port = Port::parse(port).ok_or(FORMS)?;
        if !path.is_empty() && (!value::printable_text(path, 1024) || path.contains(' ')) {
            return Err("allowed in the path are visible characters without spaces, at most 1024");
        }
        match scheme {
            "tcp" if path.is_empty() => Ok(Self::Tcp(port)),
            "http" | "https" => Ok(Self::Http {
                scheme: if scheme == "http" { "HTTP" } else { "HTTPS" },
                port,
                path: if path.is_empty() { "/" } else { path },
            }),
            "grpc" => Ok(Self::Grpc {
                port,
                service: path.strip_prefix('/').unwrap_or_default(),
            }),
            _ => Err(FORMS),
        }
    }

    fn exec(command: &'a str) -> Result<Self, &'static str> {
        const FORMS: &str = "allowed after exec: are words split at spaces, without quotes \
             (no shell reads them), or a JSON list of strings like exec:[\"sh\",\"-c\",\"test -e /ready\"]";
        let words: Vec<String> = if command.trim_start().starts_with('[') {
            serde_json::from_str(command).map_err(|_| FORMS)?
        } else if command.contains(['"', '\'', '\\', '`']) {
            return Err(FORMS);
        } else {
            command.split_whitespace().map(str::to_owned).collect()
        };
        let usable = words.first().is_some_and(|word| !word.is_empty())
            && words.iter().all(|word| !word.contains('\0'));
        if usable {
            Ok(Self::Exec(words))
        } else {
            Err(FORMS)
        }
    }
}
