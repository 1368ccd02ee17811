//! A shell's script taken apart into its commands, as far as that is sure. Nothing is run or looked up but variables whose
//! value stands in the manifest.

mod reader;

/// A script, up to where it can no longer be told what it says.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) commands: Vec<Command>,
    /// There is more, which is not understood.
    pub(super) cut: bool,
}

/// A simple command.
#[derive(Debug, Default)]
pub(super) struct Command {
    pub(super) words: Vec<Word>,
    /// Both of its outputs go to files, so nobody who reads them waits for it.
    pub(super) silent: bool,
    /// What stands behind it.
    pub(super) end: End,
    /// The line goes on no further, and ends.
    pub(super) newline: bool,
    /// A comment stands in a line of its own behind it.
    pub(super) comment: bool,
}

/// A word without its quotes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    /// Something in it stands as it is written, and what the shell makes of that is not known.
    pub(super) open: bool,
}

/// What stands behind a command.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The next one follows whatever becomes of this.
    #[default]
    Next,
    And,
    Or,
    Pipe,
    /// Nobody waits for it.
    Background,
}

impl Command {
    /// Its words without the variables set in front of them.
    pub(super) fn run(&self) -> &[Word] {
        let set = self
            .words
            .iter()
            .take_while(|word| word.assigns().is_some());
        &self.words[set.count()..]
    }
}

impl Word {
    /// The name of the variable that it sets, where it does.
    pub(super) fn assigns(&self) -> Option<&str> {
        let (name, _) = self.text.split_once('=')?;
        is_name(name).then_some(name)
    }
}

impl Script {
    /// Reads a script; `env` has the values of variables.
    pub(super) fn read<'v>(text: &str, env: &dyn Fn(&str) -> Option<&'v str>) -> Self {
        reader::read(text, env)
    }
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each command with what stands behind it; `?` marks a word that is not known, `~` what is silent.
    fn read(text: &str) -> String {
        let env = |name: &str| match name {
            "DELAY" => Some("20"),
            "EMPTY" => Some(""),
            "LONG" => Some("123456789012345678901234567890123"),
            _ => None,
        };
        let script = Script::read(text, &env);
        let mut out = String::new();
        for command in &script.commands {
            let words: Vec<String> = command
                .words
                .iter()
                .map(|word| format!("{}{}", word.text, if word.open { "?" } else { "" }))
                .collect();
            out.push_str(&words.join("_"));
            out.push_str(if command.silent { "~" } else { "" });
            out.push_str(match command.end {
                End::Next => ";",
                End::And => "&&",
                End::Or => "||",
                End::Pipe => "|",
                End::Background => "&",
            });
        }
        out + if script.cut { "…" } else { "" }
    }

    #[test]
    fn scripts_are_taken_apart_as_a_shell_does() {
        for (script, expected) in [
            ("", ""),
            ("a b;c\nd", "a_b;c;d;"),
            ("a && b || c | d & e", "a&&b||c|d&e;"),
            ("a &&\n b", "a&&b;"),
            ("a \\\n b", "a_b;"),
            ("a # b; c\n# d\ne", "a;e;"),
            ("a#b", "a#b;"),
            ("a 'b; c' \"d & e\" f\\;g", "a_b; c_d & e_f;g;"),
            ("a \"b \\\" c\" 'd\"e'", "a_b \" c_d\"e;"),
            ("sleep $DELAY", "sleep_20;"),
            ("sleep \"${DELAY}s\" ${DELAY:-5}", "sleep_20s_20;"),
            ("sleep '$DELAY' \\$DELAY", "sleep_$DELAY_$DELAY;"),
            (
                "sleep ${DELAY%0} ${#DELAY}",
                "sleep_${DELAY%0}?_${#DELAY}?;",
            ),
            ("sleep $OTHER $LONG $EMPTY", "sleep_$OTHER?_$LONG?_$EMPTY?;"),
            ("DELAY=5; sleep $DELAY", "DELAY=5;sleep_$DELAY?;"),
            (
                "kill $(cat \"/run/a b.pid\" | head)",
                "kill_$(cat \"/run/a b.pid\" | head)?;",
            ),
            ("kill `pidof a`", "kill_`pidof a`?;"),
            ("echo $((1 + 2)) $? $", "echo_$((1 + 2))?_$??_$;"),
            ("a >/dev/null 2>&1 & b", "a~&b;"),
            ("a 2>&1 >/dev/null & b", "a&b;"),
            ("a &>/dev/null & b", "a~&b;"),
            ("a > x 2> y; b >&2; c < d", "a~;b;c;"),
            ("(a; b); { c; d; }; e", "a;b;c;d;e;"),
            ("(a; b) && c", "a;b;…"),
            ("a && { b; }; c", "a&&…"),
            ("(a; b) & c", "a;b;…"),
            ("{ a; } | b", "a;…"),
            ("f() { a; }; f", "…"),
            ("cat <<EOF > x\na; b\nEOF\nc", "cat;c;"),
            ("cat <<-'E'\n\ta\n\tE\nc", "cat;c;"),
            ("cat <<EOF\na", "cat;…"),
            ("a; b 'c", "a;…"),
            ("a; b \"c", "a;…"),
            ("a; b $(c", "a;…"),
            ("case x in a) b;; esac", "…"),
            ("a)", "…"),
            ("(a", "a;…"),
            ("ä 'ö' $ü", "ä_ö_$ü?;"),
        ] {
            assert_eq!(read(script), expected, "{script}");
        }
    }

    #[test]
    fn variables_in_front_of_a_command_are_not_its_name() {
        for (text, expected) in [
            ("A=1 B=\"x y\" exec foo", 2),
            ("foo A=1", 2),
            ("A=1", 0),
            ("1A=1", 1),
        ] {
            let script = Script::read(text, &|_| None);
            assert_eq!(script.commands[0].run().len(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_deep_or_cut_off_anywhere_ends_the_reading() {
        let deep = format!("a $({}", "(".repeat(1000));
        assert!(Script::read(&deep, &|_| None).cut);
        assert!(Script::read(&"a\n".repeat(1 << 16), &|_| None).cut);
        let whole =
            "a 'b' \"c $D\" ${E:-f} $(g `h`) `i` \\\nj >k 2>&1 <<L\nm\nL\n(n) && { o; } & p";
        for end in 0..whole.len() {
            Script::read(&whole[..end], &|_| Some("1"));
        }
    }
}
