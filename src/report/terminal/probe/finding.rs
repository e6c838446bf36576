//! One finding: title, evidence, causes, the snippets that fit, limits.

use anstyle::Style;

use super::style;
use crate::probe::Finding;
use crate::probe::entry::Fix;
use crate::probe::fingerprint::Product;
use crate::report::probe::words;
use crate::report::terminal::page::{DIM, Page};
use crate::report::view::plain;

/// Labels are padded to this.
const LABEL: usize = 8;
/// Lines of snippets on a page, unless one product showed itself.
const SNIPPETS: usize = 14;

impl Page {
    pub(super) fn finding(&mut self, finding: &Finding, products: &[Product]) {
        self.text.push('\n');
        let (severity, layer) = (
            words::severity(finding.severity),
            words::layer(finding.layer),
        );
        let title = plain(&finding.title);
        self.line(style(finding.severity), &format!("{severity}: {title}"));
        self.line(DIM, &format!("  {layer}, {}", finding.id));
        self.labelled("seen", &finding.observed);
        self.body(finding, products);
    }

    /// Everything but the evidence.
    pub(super) fn body(&mut self, finding: &Finding, products: &[Product]) {
        self.labelled("expected", [finding.expected]);
        self.causes(finding);
        let (shown, others) = fitting(&finding.fixes, products);
        for fix in shown {
            self.snippet(fix);
        }
        if !others.is_empty() {
            let names: Vec<_> = others.iter().map(|fix| fix.product.name()).collect();
            let names = names.join(", ");
            let more = format!("{names}: wsbench probe --explain {}", finding.id);
            self.labelled("also", [more]);
        }
        if !finding.limits.is_empty() {
            self.labelled("limits", [finding.limits]);
        }
    }

    fn causes(&mut self, finding: &Finding) {
        let several = finding.causes.len() > 1;
        for (index, cause) in finding.causes.iter().enumerate() {
            let label = match (several, index) {
                (false, _) => "cause",
                (true, 0) => "one of",
                (true, _) => "or",
            };
            self.labelled(label, [&cause.cause]);
            if !cause.tell.is_empty() {
                self.labelled("", [format!("tells apart: {}", cause.tell)]);
            }
        }
    }

    fn snippet(&mut self, fix: &Fix) {
        let name = fix.product.name();
        if fix.snippet.lines().count() == 1 {
            self.labelled("fix", [format!("{name}: {}", fix.snippet)]);
            return;
        }
        self.labelled("fix", [format!("{name}:")]);
        for line in fix.snippet.lines() {
            // A line of configuration is to be copied: it is never broken.
            self.styled(Style::new(), &format!("      {line}"));
        }
    }

    /// Lines behind a label, wrapped under each other.
    pub(super) fn labelled<T: AsRef<str>>(
        &mut self,
        label: &str,
        lines: impl IntoIterator<Item = T>,
    ) {
        let mut label = label;
        for line in lines {
            self.entry(label, LABEL, line.as_ref());
            label = "";
        }
    }
}

/// Those for the products that showed themselves, and for both ends; without such a product, as many as
/// a page takes. The others are only named.
fn fitting<'a>(fixes: &'a [Fix], products: &[Product]) -> (Vec<&'a Fix>, Vec<&'a Fix>) {
    let general = [
        Product::Server,
        Product::Client,
        Product::Network,
        Product::AnyProxy,
    ];
    let known = fixes.iter().any(|fix| products.contains(&fix.product));
    let mut lines = 0;
    let fits = |fix: &&Fix| {
        let wanted = products.contains(&fix.product);
        let general = general.contains(&fix.product);
        lines += fix.snippet.lines().count();
        wanted || lines <= SNIPPETS && (general || !known)
    };
    let (mut shown, mut others): (Vec<&Fix>, Vec<&Fix>) = fixes.iter().partition(fits);
    if shown.is_empty() && !others.is_empty() {
        shown.push(others.remove(0));
    }
    (shown, others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snippets_of_the_product_seen_are_shown_and_others_named() {
        const LONG: &str = "1\n2\n3\n4\n5\n6\n7\n8";
        let fixes = [Product::Nginx, Product::Haproxy, Product::Client].map(|product| Fix {
            product,
            snippet: if product == Product::Client {
                "one"
            } else {
                LONG
            },
        });
        let names = |products: &[Product]| {
            let (shown, others) = fitting(&fixes, products);
            let names = |fixes: Vec<&Fix>| fixes.iter().map(|f| f.product).collect::<Vec<_>>();
            (names(shown), names(others))
        };
        use Product::{Client, Haproxy, Nginx};
        assert_eq!(names(&[]), (vec![Nginx], vec![Haproxy, Client]));
        assert_eq!(names(&[Haproxy]), (vec![Haproxy], vec![Nginx, Client]));
        assert_eq!(
            names(&[Nginx, Haproxy]),
            (vec![Nginx, Haproxy], vec![Client])
        );
    }
}
