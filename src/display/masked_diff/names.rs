//! Which names look like secrets, and which of their values are harmless.

/// Parts that mark a secret anywhere in a name: no other word contains them.
const ANYWHERE: [&[u8]; 5] = [b"secret", b"password", b"passwd", b"passphrase", b"credential"];

/// Parts that mark a secret only as words of a name; `authentication` and `keepalive` are other words.
const WORDS: [&[u8]; 9] = [b"token", b"tokens", b"key", b"keys", b"pass", b"pwd", b"psk", b"salt", b"private"];

/// Last words of settings that are about a secret but do not hold it: `asap_key_server`, `turncredentials_ttl`.
const ABOUT: [&[u8]; 21] = [
    b"server",
    b"url",
    b"uri",
    b"host",
    b"port",
    b"file",
    b"path",
    b"dir",
    b"folder",
    b"ttl",
    b"lifetime",
    b"timeout",
    b"expiry",
    b"size",
    b"length",
    b"type",
    b"algorithm",
    b"algorithms",
    b"issuers",
    b"audiences",
    b"allowlist",
];

/// Whether a setting of this name holds a secret.
pub fn is_secret(name: &[u8]) -> bool {
    let words = words(name);
    let about = words.last().is_some_and(|last| ABOUT.contains(&&last[..]));
    let lower = name.to_ascii_lowercase();
    let anywhere = ANYWHERE.iter().any(|part| lower.windows(part.len()).any(|window| window == *part));
    let ends = |word: &[u8]| WORDS.contains(&word) || word.ends_with(b"key") || word.ends_with(b"token");
    !about && (anywhere || words.iter().any(|word| ends(word)))
}

/// The words of `snake_case`, `kebab-case` and `camelCase`, in lower case.
fn words(name: &[u8]) -> Vec<Vec<u8>> {
    let mut words = vec![Vec::new()];
    let mut small = false;
    for byte in name {
        let apart = !byte.is_ascii_alphanumeric();
        if apart || byte.is_ascii_uppercase() && small {
            words.push(Vec::new());
        }
        small = byte.is_ascii_lowercase();
        if let (false, Some(last)) = (apart, words.last_mut()) {
            last.push(byte.to_ascii_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether a value can be shown whatever its setting is called: the examples of Jitsi's template, and paths of keys.
pub fn is_harmless(value: &[u8]) -> bool {
    let path = [&b".key"[..], b".pem", b".crt", b".pub"];
    matches!(value, b"example_app_secret" | b"example_app_id")
        || value.starts_with(b"/") && path.iter().any(|end| value.ends_with(end))
}
