//! One manual page as roff: from a clap command and prose. In prose a string is a paragraph, and
//! backticks enclose what is literal, which is set in bold.

use clap::Arg;
use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::Inline;
use clap_mangen::roff::Roff;
use clap_mangen::roff::bold;
use clap_mangen::roff::italic;
use clap_mangen::roff::roman;

pub struct Page {
    head: String,
    body: Roff,
}

impl Page {
    /// The page of `command`, with its NAME and a SYNOPSIS of these lines.
    pub fn new(command: Command, synopsis: &[String]) -> Self {
        let (name, version) = (command.get_name().to_owned(), env!("CARGO_PKG_VERSION"));
        let man = Man::new(command.override_usage(synopsis.join("\n")))
            .title(name)
            .section("8")
            .date("\"\"") // none, which must not make the next one the date
            .source(format!("bpftools {version}"))
            .manual("bpftools");
        let mut head = Vec::new();
        // Literal text must not be hyphenated, and without hyphens justified lines have holes.
        let mut layout = Roff::new();
        layout.control("nh", []).control("ad", ["l"]);
        man.render_title(&mut head)
            .and_then(|()| layout.to_writer(&mut head))
            .and_then(|()| man.render_name_section(&mut head))
            .and_then(|()| man.render_synopsis_section(&mut head))
            .expect("a Vec takes all");
        let head = String::from_utf8(head).expect("the texts are UTF-8");
        Self { head, body: Roff::new() }
    }

    pub fn render(&self) -> String {
        // Each part defines anew how to print an apostrophe; once is enough.
        let preamble = Roff::new().render();
        let parts = format!("{}{}", self.head, self.body.render());
        preamble.clone() + &parts.replace(&preamble, "")
    }

    pub fn section(&mut self, title: &str) {
        self.body.control("SH", [title]);
    }

    pub fn paragraphs(&mut self, texts: &[&str]) {
        for text in texts {
            self.body.control("PP", []);
            self.text(text);
        }
    }

    /// An indented paragraph under a tag.
    pub fn tagged(&mut self, tag: impl Into<Vec<Inline>>, text: &str) {
        self.body.control("TP", []);
        self.body.text(tag);
        self.text(text);
    }

    /// A line for each option or argument.
    pub fn arguments(&mut self, command: &Command) {
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
            let mut paragraphs = help.split("\n\n").map(str::trim).filter(|text| !text.is_empty());
            self.tagged(tag_of(arg), &ended(paragraphs.next().unwrap_or("")));
            for text in paragraphs.map(ended).chain(values_of(arg)) {
                self.body.control("IP", []);
                self.text(&text);
            }
        }
    }

    /// A sentence a line, so that a change of the page reads well and groff knows where one ends.
    fn text(&mut self, text: &str) {
        for line in text.replace(". ", ".\n").lines() {
            self.body.text(inlines(line));
        }
    }
}

/// `text` with what is in backticks in bold.
fn inlines(text: &str) -> Vec<Inline> {
    let literal = |(index, part): (usize, &str)| if index % 2 == 1 { bold(part) } else { roman(part) };
    text.split('`').enumerate().filter(|(_, part)| !part.is_empty()).map(literal).collect()
}

/// clap strips the full stop off a help text of one sentence.
fn ended(text: &str) -> String {
    let text = text.replace('\n', " ");
    if text.ends_with(['.', ':']) { text } else { text + "." }
}

/// `-p, --pid PID[,...]`: all names that help shows, and the value.
fn tag_of(arg: &Arg) -> Vec<Inline> {
    let shorts = arg.get_short().into_iter().chain(arg.get_visible_short_aliases().unwrap_or_default());
    let longs = arg.get_long().into_iter().chain(arg.get_visible_aliases().unwrap_or_default());
    let names = shorts.map(|short| format!("-{short}")).chain(longs.map(|long| format!("--{long}")));
    let mut tag = Vec::new();
    for name in names {
        if !tag.is_empty() {
            tag.push(roman(", "));
        }
        tag.push(bold(name));
    }
    if arg.is_positional() || arg.get_action().takes_values() {
        if !tag.is_empty() {
            tag.push(roman(" "));
        }
        let list = if arg.get_value_delimiter().is_some() { "[,...]" } else { "" };
        let names = arg.get_value_names().unwrap_or_default().join(" ");
        tag.push(italic(if names.is_empty() { arg.get_id().as_str().to_uppercase() } else { names }));
        tag.push(roman(list));
    }
    tag
}

/// The values that an option takes, and which it has by default.
fn values_of(arg: &Arg) -> Option<String> {
    if !arg.is_positional() && !arg.get_action().takes_values() {
        return None;
    }
    let quoted = |value: &str| format!("`{value}`");
    let possible: Vec<_> = arg.get_possible_values().iter().map(|value| quoted(value.get_name())).collect();
    let default: Vec<_> = arg.get_default_values().iter().map(|value| quoted(&value.to_string_lossy())).collect();
    let mut sentences = Vec::new();
    if !possible.is_empty() {
        sentences.push(format!("Values: {}.", possible.join(", ")));
    }
    if !default.is_empty() {
        sentences.push(format!("Default: {}.", default.join(", ")));
    }
    (!sentences.is_empty()).then(|| sentences.join(" "))
}
