//! A long list in pages, and addresses that keep what was asked for.

use askama::filters::urlencode_strict;

/// Rows on one page.
pub const ROWS: usize = 50;

/// Which part of a list is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    /// Counts from 1.
    pub page: usize,
    /// How many there are; at least 1.
    pub pages: usize,
    /// Rows in the whole list.
    pub rows: usize,
    /// Address of the page before, if there is one.
    pub before: Option<String>,
    /// Address of the page after, if there is one.
    pub after: Option<String>,
}

impl Paging {
    /// The wanted page of a list of so many rows, or the nearest one that there is.
    /// `link` makes the address of a page.
    pub fn new(wanted: usize, rows: usize, link: impl Fn(usize) -> String) -> Self {
        let pages = rows.div_ceil(ROWS).max(1);
        let page = wanted.clamp(1, pages);
        Self {
            page,
            pages,
            rows,
            before: (page > 1).then(|| link(page - 1)),
            after: (page < pages).then(|| link(page + 1)),
        }
    }

    /// The rows of this page.
    pub fn of<'a, T>(&self, list: &'a [T]) -> &'a [T] {
        let from = ((self.page - 1) * ROWS).min(list.len());
        &list[from..(from + ROWS).min(list.len())]
    }

    /// "51–100 of 1,234".
    pub fn range(&self) -> String {
        let from = (self.page - 1) * ROWS;
        let to = (from + ROWS).min(self.rows);
        let total = super::grouped(self.rows);
        if self.rows == 0 { "none".to_owned() } else { format!("{}–{to} of {total}", from + 1) }
    }
}

/// An address with a query, of which empty parts are left out.
#[derive(Debug, Clone)]
pub struct Link(String, bool);

impl Link {
    /// To this path.
    pub fn to(path: &str) -> Self {
        Self(path.to_owned(), false)
    }

    /// With this part, unless it is empty.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if value.is_empty() {
            return self;
        }
        self.0.push(if self.1 { '&' } else { '?' });
        self.1 = true;
        self.0.push_str(name);
        self.0.push('=');
        let Ok(encoded) = urlencode_strict(value);
        self.0.push_str(&encoded.to_string());
        self
    }

    /// The address.
    pub fn address(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_clamped_and_cut() {
        let list: Vec<usize> = (0..120).collect();
        let at = |page| Paging::new(page, list.len(), |page| format!("?page={page}"));
        assert_eq!(at(0).page, 1);
        assert_eq!(at(1).of(&list).len(), 50);
        assert_eq!(at(1).before, None);
        assert_eq!(at(1).after.as_deref(), Some("?page=2"));
        assert_eq!(at(3).of(&list), &list[100..]);
        assert_eq!(at(3).range(), "101–120 of 120");
        assert_eq!(at(99), at(3));
        let none = Paging::new(7, 0, |_| String::new());
        assert_eq!((none.page, none.pages, none.range().as_str()), (1, 1, "none"));
        assert!(none.of(&list[..0]).is_empty());
    }

    #[test]
    fn addresses_escape_what_was_typed() {
        let link = Link::to("/security").with("q", "a&b=c/\"").with("state", "").with("page", "2");
        assert_eq!(link.address(), "/security?q=a%26b%3Dc%2F%22&page=2");
    }
}
