//! The rockspec of luajwtjitsi 1.3-7, rendered by tera from `templates/`.

use anyhow::Result;
use tera::{Context, Tera};

/// Where it is written; luarocks requires this exact file name.
pub const PATH: &str = "/var/lib/jitsi-tokens-setup/luajwtjitsi-1.3-7.rockspec";

const TEMPLATE: &str = include_str!("../../templates/luajwtjitsi.rockspec.tera");

/// Where the luajwtjitsi rock of the decode era comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The git repository, `https://…`.
    pub url: String,
    /// The tag or branch.
    pub tag: String,
}

/// The fork of the common how-to (docs/speed.md).
impl Default for Fork {
    fn default() -> Self {
        Self { url: "https://github.com/6bIBAET/luajwt/".to_owned(), tag: "v1.7".to_owned() }
    }
}

/// The rockspec for this fork. luarocks needs the real protocol in the URL: git over https is `git+https`.
pub fn render(fork: &Fork) -> Result<String> {
    let url = if fork.url.starts_with("https://") { format!("git+{}", fork.url) } else { fork.url.clone() };
    let mut context = Context::new();
    context.insert("version", "1.3-7");
    context.insert("url", &in_lua(&url));
    context.insert("tag", &in_lua(&fork.tag));
    Ok(Tera::one_off(TEMPLATE, &context, false)?)
}

/// The rockspec is Lua: the operator's values become string literals, whatever they contain.
fn in_lua(text: &str) -> String {
    String::from_utf8_lossy(&crate::lua::lua_string(text.as_bytes())).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rockspec_follows_the_how_to_over_https() {
        let text = render(&Fork::default()).unwrap();
        for line in [
            "package = \"luajwtjitsi\"",
            "version = \"1.3-7\"",
            "tag = \"v1.7\"",
            "\"luaossl >= 20190731-0\"",
            "\"lua-cjson = 2.1.0\"",
            "\"lbase64 >= 20120807-3\"",
            "luajwtjitsi = \"luajwtjitsi.lua\"",
        ] {
            assert!(text.contains(line), "{line} is missing in:\n{text}");
        }
        assert!(text.contains("url = \"git+https://"));
        assert!(!text.contains(">source") && !text.contains("git://"));
    }

    #[test]
    fn a_malicious_url_stays_a_string() {
        let fork = Fork { url: "https://x/\" }, os.exit() --".to_owned(), tag: "a\nb".to_owned() };
        let text = render(&fork).unwrap();
        assert!(text.contains(r#"url = "git+https://x/\" }, os.exit() --""#), "{text}");
        assert!(crate::lua::requires::requires(text.as_bytes()).unwrap().is_empty());
    }
}
