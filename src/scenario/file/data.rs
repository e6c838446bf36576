//! `[[data]]`: rows from a CSV file.

use std::path::Path;
use std::sync::Arc;

use super::super::DataSet;
use super::super::template::is_reserved;
use super::builder::{Builder, read_at_most, reason};
use super::section::Section;
use super::tables;

/// Largest file.
const MAX_FILE: u64 = 64 << 20;
/// Most rows.
const MAX_ROWS: usize = 1_000_000;

impl Builder<'_> {
    /// Reads the data set, if the scenario has one.
    pub(super) fn data_set(&mut self, root: &Section<'_>) -> Option<Arc<DataSet>> {
        let tables = root.children("data", &tables::DATA);
        if let Some(second) = tables.get(1) {
            let message = "only one [[data]] table is supported for now";
            self.findings
                .value(second.owner(), message, "join the files into one CSV");
        }
        let table = tables.first()?;
        let path = table.path("file", self.folder)?;
        if table.get("file").is_some_and(|node| node.unresolved) {
            return None;
        }
        match read(&path) {
            Ok(data) => Some(Arc::new(data)),
            Err((message, hint)) => {
                self.findings.value(table.place("file"), message, hint);
                None
            }
        }
    }
}

fn read(path: &Path) -> Result<DataSet, (String, String)> {
    let relative = "paths in a scenario are relative to the scenario's folder";
    let fail = |message: String| (message, relative.to_owned());
    let size = std::fs::metadata(path).map(|data| data.len());
    match size {
        Ok(size) if size > MAX_FILE => {
            let hint = format!("at most {MAX_FILE} bytes are allowed");
            return Err((format!("the data file has {size} bytes"), hint));
        }
        Ok(_) => {}
        Err(error) => return Err(fail(format!("cannot read the data: {}", reason(&error)))),
    }
    let bytes = read_at_most(path, MAX_FILE)
        .map_err(|e| fail(format!("cannot read the data: {}", reason(&e))))?;
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Result<DataSet, (String, String)> {
    let example = || "the first line names the columns, for example `user,token`".to_owned();
    let mut reader = csv::ReaderBuilder::new().from_reader(bytes);
    let broken = |error: csv::Error| {
        let line = error
            .position()
            .map_or(String::new(), |at| format!(" in line {}", at.line()));
        let what = match error.kind() {
            csv::ErrorKind::UnequalLengths {
                expected_len, len, ..
            } => {
                format!("a row has {len} values, the header {expected_len}")
            }
            csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
            _ => "not CSV".to_owned(),
        };
        (format!("the data is broken{line}: {what}"), example())
    };
    let columns: Vec<String> = reader
        .headers()
        .map_err(broken)?
        .iter()
        .map(str::to_owned)
        .collect();
    for (index, column) in columns.iter().enumerate() {
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let usable = !column.is_empty()
            && column.chars().all(is_name)
            && !column.starts_with(|c: char| c.is_ascii_digit());
        if !usable || (is_reserved(column) && column == "row") {
            let hint =
                "a column's name has letters, digits and `_`, and does not start with a digit"
                    .to_owned();
            return Err((
                format!("column {} of the data has no usable name", index + 1),
                hint,
            ));
        }
        if columns[..index].contains(column) {
            return Err((
                format!("two columns of the data are called `{column}`"),
                example(),
            ));
        }
    }
    if columns.is_empty() {
        return Err(("the data file is empty".to_owned(), example()));
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(broken)?;
        rows.push(record.iter().map(str::to_owned).collect());
        if rows.len() > MAX_ROWS {
            let hint = format!("at most {MAX_ROWS} are allowed");
            return Err(("the data has too many rows".to_owned(), hint));
        }
    }
    if rows.is_empty() {
        return Err(("the data has no rows".to_owned(), example()));
    }
    Ok(DataSet { columns, rows })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{parse, read_at_most};

    #[test]
    fn what_never_ends_is_refused() {
        let error = read_at_most(Path::new("/dev/zero"), 10).expect_err("endless");
        assert_eq!(error.to_string(), "it has more than 10 bytes");
    }

    #[test]
    fn rows_are_read_and_broken_files_refused() {
        let data = parse(b"user,token\na,\"x,1\"\nb,y\n").expect("good");
        assert_eq!(data.columns, ["user", "token"]);
        assert_eq!(data.rows, [["a", "x,1"], ["b", "y"]]);
        for (bytes, reason) in [
            (&b""[..], "is empty"),
            (b"user\n", "no rows"),
            (b"a b\n1\n", "no usable name"),
            (b"a,a\n1,2\n", "two columns"),
            (b"a,b\n1\n", "in line 2: a row has 1 values"),
            (b"a\n\xff\n", "not UTF-8"),
        ] {
            let (message, _) = parse(bytes).expect_err(reason);
            assert!(message.contains(reason), "{message}");
        }
    }
}
