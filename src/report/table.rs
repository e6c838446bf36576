//! Rows of figures that fit the terminal: side by side when there is room, stacked when not.

/// A table with one label column and right-aligned figures.
pub struct Table {
    headings: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
}

impl Table {
    /// An empty table; the first heading stands over the labels.
    pub fn new(first: &str, figures: &[&str]) -> Self {
        let headings = std::iter::once(&first).chain(figures);
        Self {
            headings: headings.map(|&heading| heading.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row(&mut self, label: &str, figures: impl IntoIterator<Item = String>) {
        self.rows
            .push((label.to_owned(), figures.into_iter().collect()));
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines of the table, none wider than `width` if that can be.
    pub fn lines(&self, width: usize) -> Vec<String> {
        let widths = self.widths();
        let wide = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
        if wide > width {
            return self.stacked();
        }
        let line = |label: &str, cells: &[String]| {
            let mut text = format!("{label:<width$}", width = widths[0]);
            for (cell, width) in cells.iter().zip(&widths[1..]) {
                text += &format!("  {cell:>width$}");
            }
            text.trim_end().to_owned()
        };
        let heading = line(&self.headings[0], &self.headings[1..]);
        let rows = self.rows.iter().map(|(label, cells)| line(label, cells));
        std::iter::once(heading).chain(rows).collect()
    }

    /// One figure a line.
    fn stacked(&self) -> Vec<String> {
        let figures = self.rows.iter().flat_map(|(label, cells)| {
            let named = self.headings[1..].iter().zip(cells);
            let lines = named.map(|(heading, cell)| format!("  {heading} {cell}"));
            std::iter::once(label.clone()).chain(lines)
        });
        figures.collect()
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<_> = self.headings.iter().map(|h| h.chars().count()).collect();
        for (label, cells) in &self.rows {
            let row = std::iter::once(label).chain(cells);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        widths
    }
}

/// `text` in lines of at most `width` characters, broken between words; every line after the first is
/// indented by `indent`. A longer word stands alone in its line.
pub fn wrap(text: &str, width: usize, indent: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    let mut at_start = true;
    for word in text.split(' ') {
        let size = word.chars().count();
        if !at_start && length + 1 + size > width {
            lines.push(" ".repeat(indent));
            length = indent;
            at_start = true;
        }
        let line = lines.last_mut().expect("there is always a line");
        if !at_start {
            line.push(' ');
            length += 1;
        }
        line.push_str(word);
        length += size;
        at_start = false;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_stacks_when_there_is_no_room() {
        let mut table = Table::new("ms", &["n", "p50"]);
        table.row("round_trip", ["1,000".to_owned(), "1.234".to_owned()]);
        assert_eq!(
            table.lines(80),
            ["ms              n    p50", "round_trip  1,000  1.234"]
        );
        assert_eq!(table.lines(20), ["round_trip", "  n 1,000", "  p50 1.234"]);
        assert_eq!(table.lines(0).len(), 3);
    }

    #[test]
    fn words_wrap_and_none_is_lost() {
        let text = "the quick brown fox jumps over the lazy dog";
        for width in 0..60 {
            let lines = wrap(text, width, 2);
            let words: Vec<_> = lines.iter().flat_map(|l| l.split_whitespace()).collect();
            assert_eq!(words.join(" "), text);
            if width >= 8 {
                assert!(
                    lines.iter().all(|l| l.chars().count() <= width),
                    "{lines:?}"
                );
            }
        }
        assert_eq!(wrap("", 10, 2), [""]);
    }
}
