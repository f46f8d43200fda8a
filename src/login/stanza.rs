//! XML in and out: a small owned tree to read, escaping to write.

/// An element, with what logins need of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// Local name.
    pub name: String,
    /// Namespace.
    pub space: String,
    /// Attributes by local name.
    pub attributes: Vec<(String, String)>,
    /// The text directly inside.
    pub text: String,
    /// The elements directly inside.
    pub children: Vec<Element>,
}

impl Element {
    /// The first child with this name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// An attribute's value, empty if there is none.
    pub fn attribute(&self, name: &str) -> &str {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    fn read(node: roxmltree::Node) -> Self {
        let text = node
            .children()
            .filter(|child| child.is_text())
            .filter_map(|child| child.text());
        Self {
            name: node.tag_name().name().to_owned(),
            space: node.tag_name().namespace().unwrap_or_default().to_owned(),
            attributes: node
                .attributes()
                .map(|attribute| (attribute.name().to_owned(), attribute.value().to_owned()))
                .collect(),
            text: text.collect::<String>().trim().to_owned(),
            children: node
                .children()
                .filter(|child| child.is_element())
                .map(Self::read)
                .collect(),
        }
    }
}

/// The BOSH body in `xml`; none if it is something else.
pub(super) fn body(xml: &str) -> Option<Element> {
    let root = element(xml)?;
    (root.name == "body" && root.space == "http://jabber.org/protocol/httpbind").then_some(root)
}

/// The element in `xml`, whatever it is; none if it is no XML.
pub(super) fn element(xml: &str) -> Option<Element> {
    let document = roxmltree::Document::parse(xml.trim()).ok()?;
    Some(Element::read(document.root_element()))
}

/// `text` as it stands in an attribute or between tags.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\'' => escaped.push_str("&apos;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{body, escape};

    #[test]
    fn a_body_is_read_with_its_namespaces() {
        let xml = "<body xmlns='http://jabber.org/protocol/httpbind' sid='s'><stream:features \
                   xmlns:stream='http://etherx.jabber.org/streams'><a> b </a></stream:features></body>";
        let root = body(xml).unwrap();
        assert_eq!((root.attribute("sid"), root.attribute("rid")), ("s", ""));
        assert_eq!(
            root.child("features").unwrap().child("a").unwrap().text,
            "b"
        );
    }

    #[test]
    fn anything_else_is_no_body() {
        for text in [
            "",
            "It works!",
            "<html/>",
            "<body/>",
            "<!DOCTYPE html><body></body>",
            "<body",
        ] {
            assert_eq!(body(text), None, "{text}");
        }
    }

    #[test]
    fn escaped_text_survives_a_reader() {
        let text = "a<b>&'\"c\u{1}";
        let xml = format!(
            "<body xmlns='http://jabber.org/protocol/httpbind' sid='{}'/>",
            escape(text)
        );
        assert_eq!(body(&xml).unwrap().attribute("sid"), "a<b>&'\"c");
    }
}
