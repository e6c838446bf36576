//! How the tables of a scenario file are described: data, read by the checker, by the builders (defaults)
//! and by the JSON Schema, so that the three cannot drift apart.

/// A table: its keys and what one of them must be there.
pub(super) struct TableSpec {
    /// Unique; names the table in messages and in the schema.
    pub name: &'static str,
    /// For editors.
    pub doc: &'static str,
    /// All keys it may hold.
    pub keys: &'static [KeySpec],
    /// At least one of these must be there (empty = no such rule).
    pub any_of: &'static [&'static str],
}

/// One key of a table.
pub(super) struct KeySpec {
    /// As written.
    pub key: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// For editors.
    pub doc: &'static str,
    /// As it would be written in the file (strings without quotes); `None` = no default, the key's
    /// absence has a meaning of its own.
    pub default: Option<&'static str>,
    /// Whether its absence is a problem.
    pub required: bool,
}

/// What a value is.
pub(super) enum Kind {
    /// Plain text of at most so many bytes.
    Text(usize),
    /// A name for files: letters, digits, `-`, `_`, `.`.
    Name,
    /// Text with `{{holes}}`.
    Template,
    /// A JSON pointer.
    Pointer,
    /// A regular expression.
    Regex,
    /// A file's path.
    Path,
    /// `address:port`.
    Socket,
    /// An IP address.
    Ip,
    /// `host:port:address`.
    Resolve,
    /// `true` or `false`.
    Bool,
    /// A whole number (or a count as text) within bounds.
    Integer(u64, u64),
    /// A number within bounds.
    Number(f64, f64),
    /// A duration; zero allowed?
    Duration { zero: bool },
    /// A period or a rate.
    Every,
    /// A share.
    Ratio,
    /// A size in bytes within bounds.
    Bytes(u64, u64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `< 50ms`.
    Limit,
    /// What a JSON value is compared with: text with holes, a number or a boolean.
    Scalar,
    /// A table.
    Table(&'static TableSpec),
    /// `[[table]]`.
    Tables(&'static TableSpec),
    /// An array.
    List(&'static Kind),
    /// A table whose keys are chosen by the author.
    Map(&'static Kind),
    /// The first of these whose type fits.
    Either(&'static [Kind]),
}

impl TableSpec {
    /// The description of a key.
    pub(super) fn key(&self, key: &str) -> Option<&'static KeySpec> {
        self.keys.iter().find(|spec| spec.key == key)
    }
}

impl KeySpec {
    pub(super) const fn new(key: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self {
            key,
            kind,
            doc,
            default: None,
            required: false,
        }
    }

    pub(super) const fn or(self, default: &'static str) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }

    pub(super) const fn required(self) -> Self {
        Self {
            required: true,
            ..self
        }
    }
}

impl Kind {
    /// In words, with its article.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Text(_) => "text".to_owned(),
            Self::Name => "a name of letters, digits, `-`, `_` and `.`".to_owned(),
            Self::Template => "text (holes are written {{...}})".to_owned(),
            Self::Pointer => "a JSON pointer such as \"/id\"".to_owned(),
            Self::Regex => "a regular expression".to_owned(),
            Self::Path => "the path of a file".to_owned(),
            Self::Socket => "an address with a port such as \"127.0.0.1:9001\"".to_owned(),
            Self::Ip => "an IP address".to_owned(),
            Self::Resolve => "\"host:port:address\"".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Integer(low, u64::MAX) => format!("a whole number of at least {low}"),
            Self::Integer(low, high) => format!("a whole number from {low} to {high}"),
            Self::Number(low, high) => format!("a number from {low} to {high}"),
            Self::Duration { zero: true } => "a duration".to_owned(),
            Self::Duration { zero: false } => "a duration longer than zero".to_owned(),
            Self::Every => "a duration (\"1s\") or a rate (\"50/s\")".to_owned(),
            Self::Ratio => "a share such as \"0.1%\"".to_owned(),
            Self::Bytes(..) => "a size in bytes".to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Limit => "a limit such as \"< 50ms\"".to_owned(),
            Self::Scalar => "text, a number, true or false".to_owned(),
            Self::Table(_) | Self::Map(_) => "a table".to_owned(),
            Self::Tables(_) => "a list of tables".to_owned(),
            Self::List(of) => format!("a list, each {}", of.describe()),
            Self::Either(kinds) => {
                let all: Vec<_> = kinds.iter().map(Self::describe).collect();
                all.join(", or ")
            }
        }
    }

    /// Whether text from the environment can be a secret here: a duration or a number is none.
    pub(super) const fn may_be_secret(&self) -> bool {
        matches!(
            self,
            Self::Text(_)
                | Self::Template
                | Self::Path
                | Self::Scalar
                | Self::Regex
                | Self::Resolve
        )
    }
}
