//! What each step is for, shown to an operator who answers the question with `explain`.

/// What a step does, and why: two sentences each.
const ALL: [(&str, &str); 16] = [
    (
        "apt-sources",
        "Points apt at Debian's archive, because the mirrors no longer have this release. Without it no package can \
         be installed.",
    ),
    (
        "apt-packages",
        "Installs the packages that Jitsi's token plugins need, and what is needed to build their Lua modules. \
         Packages that are installed already stay as they are.",
    ),
    (
        "rock-basexx",
        "Installs the Lua module basexx, with which the plugin decodes a token. It is installed for the Lua that \
         runs Prosody, which may not be the system's default.",
    ),
    (
        "rockspec",
        "Writes the description from which luarocks builds luajwtjitsi. The public one uses git://, which no longer \
         works.",
    ),
    (
        "rock-luajwtjitsi",
        "Installs luajwtjitsi, which checks a token's signature. It is then tried with a valid and an invalid token, \
         as not every version fits the installed plugin.",
    ),
    (
        "lua-modules",
        "Installs the other Lua modules that Jitsi's plugins load. If one is missing, Prosody starts but rejects \
         every login.",
    ),
    (
        "credentials",
        "Chooses the app ID and the app secret that your application signs tokens with. Existing ones are kept \
         unless you give others.",
    ),
    ("options", "Saves the options that later runs must keep, such as --guests. They are removed with `--OPTION=off`."),
    (
        "moderators-module",
        "Installs a Prosody module that makes moderators of those whose token says so. Newer Jitsi has such a \
         module, yours does not.",
    ),
    (
        "token-keys",
        "Installs the public keys and old secrets that tokens may be signed with, and the module that reads them. \
         Jitsi's own plugin supports only one secret.",
    ),
    (
        "key-source",
        "Checks that Jitsi's plugins can use the keys that your identity provider publishes. Tokens are then signed \
         there, and this server needs no secret.",
    ),
    (
        "prosody-config",
        "Makes Prosody require a token, and makes rooms check which room the token is for. Prosody tests the new \
         configuration before it replaces the current one.",
    ),
    (
        "web-config",
        "Tells the web page where people without a token log in. Without it the page never offers guest access.",
    ),
    (
        "jitsi-meet-tokens",
        "Installs Jitsi's own package, and gives debconf the same credentials. It keeps token authentication on when \
         Jitsi is upgraded.",
    ),
    (
        "prosody-restart",
        "Restarts Prosody, which reads most of its configuration only when it starts. Running meetings are \
         interrupted for a few seconds.",
    ),
    (
        "jicofo",
        "Tells jicofo not to make the first person in a room its moderator, and restarts it. Otherwise whoever comes \
         first moderates, whatever the token says.",
    ),
];

/// What a step does, and why.
pub fn of(step: &str) -> Option<&'static str> {
    ALL.iter().find(|(id, _)| *id == step).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::steps::STEPS;

    #[test]
    fn every_changing_step_has_a_two_sentence_explanation() {
        for step in STEPS.iter().filter(|step| !["preflight", "verify"].contains(&step.id)) {
            let text = of(step.id).unwrap_or_else(|| panic!("{} is not explained", step.id));
            assert_eq!(text.matches(". ").count() + usize::from(text.ends_with('.')), 2, "{}: {text}", step.id);
        }
    }
}
