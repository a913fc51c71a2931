//! What is kept of a request's head: its target and its headers, as one text.

use super::head::Head;

/// A request's target and headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeadText {
    /// The target, then names and values of headers, each ended by a line feed, which none can contain.
    text: Box<str>,
}

impl HeadText {
    /// The text of nothing: an empty target, and no header.
    pub(crate) fn nothing() -> Self {
        Self { text: "\n".into() }
    }

    /// The text of a request.
    pub(crate) fn of(head: &Head<'_>) -> Self {
        let length: usize = head.headers().map(|(name, value)| name.len() + value.len() + 2).sum();
        let mut text = String::with_capacity(head.target.len() + 1 + length);
        text.push_str(head.target);
        text.push('\n');
        for (name, value) in head.headers() {
            let start = text.len();
            text.push_str(name);
            if let Some(name) = text.get_mut(start..) {
                name.make_ascii_lowercase();
            }
            text.push('\n');
            text.push_str(&String::from_utf8_lossy(value));
            text.push('\n');
        }
        Self { text: text.into_boxed_str() }
    }

    /// The text of a request that another server describes.
    pub(crate) fn told<'a>(target: &str, headers: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        // No line feed can stand in a request or a header.
        let line = |text: &str| text.replace('\n', " ") + "\n";
        let headers = headers.map(|(name, value)| line(name) + &line(value));
        let text: String = std::iter::once(line(target)).chain(headers).collect();
        Self { text: text.into_boxed_str() }
    }

    /// The text that [`as_str`](Self::as_str) gave on another server.
    pub(crate) fn moved(text: String) -> Self {
        Self { text: text.into_boxed_str() }
    }

    /// The whole text.
    pub(crate) const fn as_str(&self) -> &str {
        &self.text
    }

    /// Bytes of the text.
    pub(crate) const fn len(&self) -> usize {
        self.text.len()
    }

    /// The target as it was sent.
    pub(crate) fn target(&self) -> &str {
        self.text.split('\n').next().unwrap_or_default()
    }

    /// The query as it was sent, if there is one.
    pub(crate) fn encoded_query(&self) -> Option<&str> {
        Some(self.target().split_once('?')?.1)
    }

    /// The parameters of the query, decoded, in order.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        let query = self.encoded_query().unwrap_or_default();
        crate::engineio::query_pairs(query).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
    }

    /// The headers, names in lower case, in order.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut lines = self.text.split_terminator('\n').skip(1);
        std::iter::from_fn(move || Some((lines.next()?, lines.next()?)))
    }

    /// The first header of that name, which is written in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers().find_map(|(found, value)| (found == name).then_some(value))
    }
}
