//! XML in and out: a small owned tree for reading, escaping for writing.

/// How deep elements may nest. Jitsi's stanzas need eight levels.
const MAX_DEPTH: usize = 48;
/// How many elements one answer may have: the presence of a hundred people has half as many.
const MAX_ELEMENTS: usize = 6_000;
/// How many attributes one element may have, counted by the `=` in its tag (base64 in a value ends with two).
const MAX_ATTRIBUTES: usize = 48;

/// An element, with the parts that logins need.
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
        let text = node.children().filter(roxmltree::Node::is_text).filter_map(|child| child.text());
        Self {
            name: node.tag_name().name().to_owned(),
            space: node.tag_name().namespace().unwrap_or_default().to_owned(),
            attributes: node
                .attributes()
                .map(|attribute| (attribute.name().to_owned(), attribute.value().to_owned()))
                .collect(),
            text: text.collect::<String>().trim().to_owned(),
            children: node.children().filter(roxmltree::Node::is_element).map(Self::read).collect(),
        }
    }
}

/// The BOSH body in `xml`; `None` if it is something else.
pub(super) fn body(xml: &str) -> Option<Element> {
    let root = element(xml)?;
    (root.name == "body" && root.space == "http://jabber.org/protocol/httpbind").then_some(root)
}

/// The element in `xml`, whatever it is; `None` if it is not XML, or more than any server has a reason to send.
pub(super) fn element(xml: &str) -> Option<Element> {
    if !within_limits(xml.trim()) {
        return None;
    }
    let document = roxmltree::Document::parse(xml.trim()).ok()?;
    Some(Element::read(document.root_element()))
}

/// Whether `xml` is small enough to be parsed: a parser's time and stack grow faster with depth, attributes and
/// namespaces than with length. Comments, processing instructions and CDATA are rejected too; XMPP has none of them
/// (RFC 6120, 11.1) except for the declaration in front, and without them every `<` begins a tag.
fn within_limits(xml: &str) -> bool {
    let xml = xml.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")).map_or(xml, |(_, rest)| rest);
    let (mut depth, mut elements) = (0_usize, 0_usize);
    for tag in xml.split('<').skip(1) {
        let tag = inside_tag(tag);
        match tag.as_bytes().first() {
            Some(b'!' | b'?') => return false,
            Some(b'/') => depth = depth.saturating_sub(1),
            _ => {
                elements += 1;
                depth += usize::from(!tag.ends_with('/'));
                // Every attribute has at least one; its value may have more.
                let attributes = tag.bytes().filter(|byte| *byte == b'=').count();
                if depth > MAX_DEPTH || elements > MAX_ELEMENTS || attributes > MAX_ATTRIBUTES {
                    return false;
                }
            }
        }
    }
    true
}

/// The text before the `>` that ends a tag; a `>` in an attribute's value does not.
fn inside_tag(text: &str) -> &str {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return &text[..at],
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    text
}

/// `text` as it is written in an attribute or between tags.
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
    fn a_body_is_parsed_with_its_namespaces() {
        let xml = "<body xmlns='http://jabber.org/protocol/httpbind' sid='s'><stream:features \
                   xmlns:stream='http://etherx.jabber.org/streams'><a> b </a></stream:features></body>";
        let root = body(xml).unwrap();
        assert_eq!((root.attribute("sid"), root.attribute("rid")), ("s", ""));
        assert_eq!(root.child("features").unwrap().child("a").unwrap().text, "b");
    }

    #[test]
    fn other_documents_are_not_bodies() {
        for text in ["", "It works!", "<html/>", "<body/>", "<!DOCTYPE html><body></body>", "<body"] {
            assert_eq!(body(text), None, "{text}");
        }
    }

    #[test]
    fn excessive_and_unusual_xml_is_not_parsed() {
        let space = "http://jabber.org/protocol/httpbind";
        let inside = |text: &str| body(&format!("<body xmlns='{space}'>{text}</body>"));
        let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
        assert!(inside(&nested(40)).is_some());
        assert!(inside(&"<a/>".repeat(5_000)).is_some());
        assert!(inside("<a b='c==' d=\"e>f\"/>").is_some());
        assert!(body(&format!("<?xml version='1.0'?><body xmlns='{space}'/>")).is_some());
        for text in [
            nested(15_000),
            nested(50),
            "<a b='/>'>".repeat(50) + &"</a>".repeat(50),
            "<a xmlns='u:u'>".repeat(20_000),
            "<a/>".repeat(80_000),
            format!("<a {}/>", (0..80_000).map(|n| format!("x{n}='' ")).collect::<String>()),
            "<!-- </a></a> -->".to_owned(),
            "<![CDATA[</a>]]>".to_owned(),
            "<?php ?>".to_owned(),
        ] {
            let started = std::time::Instant::now();
            assert!(inside(&text).is_none(), "{}", &text[..20.min(text.len())]);
            assert!(started.elapsed().as_secs() < 1);
        }
    }

    #[test]
    fn escaped_text_survives_parsing() {
        let text = "a<b>&'\"c\u{1}";
        let xml = format!("<body xmlns='http://jabber.org/protocol/httpbind' sid='{}'/>", escape(text));
        assert_eq!(body(&xml).unwrap().attribute("sid"), "a<b>&'\"c");
    }
}
