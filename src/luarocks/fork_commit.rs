//! The commit that a git tag or branch pointed to when it was first fetched. Either can be moved to other code, so it
//! is compared before and after each later fetch. The first fetch is trusted.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::engine::change::{Change, Wrapper};
use crate::engine::watch::Watch;
use crate::host::command::Command;
use crate::host::failure::failure;
use crate::host::{Access, Host, Output};

/// Where the commit is kept, as `URL TAG COMMIT`.
pub const PATH: &str = "/var/lib/jitsi-tokens-setup/luajwtjitsi.commit";

/// A tag or branch of a repository that must keep pointing to the same commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The repository's address.
    pub url: String,
    /// The name of the tag or branch.
    pub tag: String,
}

impl Pin {
    /// Has the commit checked before and after a change's command, which fetches it.
    pub fn with(self, change: Change) -> Change {
        change.touching(Watch::file(Path::new(PATH))).wrapped(Arc::new(self))
    }

    /// Compares the commit with the recorded one; records it if this name has none yet.
    ///
    /// # Errors
    /// If git fails, or reports another commit.
    pub fn hold(&self, host: &dyn Host) -> Result<()> {
        let now = self.resolve(host)?;
        let line = |commit: &str| format!("{} {} {commit}\n", self.url, self.tag);
        let kept = host.read_text(Path::new(PATH))?.unwrap_or_default();
        let before = kept.strip_suffix('\n').and_then(|kept| {
            let (tag, commit) = kept.rsplit_once(' ')?;
            (tag == format!("{} {}", self.url, self.tag)).then_some(commit)
        });
        match before {
            Some(before) if before == now => Ok(()),
            Some(before) => bail!(
                "{} of {} has moved from commit {before} to {now}; review the new commit, then remove {PATH} to \
                 accept it",
                self.tag,
                self.url
            ),
            None => {
                let access = Access::root(0o644);
                host.write(&PathBuf::from(PATH), line(&now).as_bytes(), access)
            }
        }
    }

    /// Asks the repository. An annotated tag is an object of its own, and `^{}` is the commit that it points to.
    /// luarocks has git clone the name, and git prefers a branch to a tag: a name that is both, at different commits,
    /// is rejected, because somebody may have created one to get around the other.
    fn resolve(&self, host: &dyn Host) -> Result<String> {
        let branch = format!("refs/heads/{}", self.tag);
        let tag = format!("refs/tags/{}", self.tag);
        let commit = format!("{tag}^{{}}");
        let mut command = Command::query("git")
            .args(["ls-remote", "--", &self.url, &branch, &tag, &commit])
            .timeout(Duration::from_secs(60));
        // An answer from before the fetch is out of date.
        command.volatile = true;
        let output = host.run(&command)?;
        if let Some(error) = failure(&command, &output) {
            bail!(error);
        }
        let find = |name: &str| {
            let mut lines = output.stdout.lines();
            let found = lines.find_map(|line| line.split_once('\t').filter(|(_, n)| *n == name));
            found.map(|(hash, _)| hash)
        };
        let hash = match (find(&branch), find(&commit).or_else(|| find(&tag))) {
            (Some(branch), Some(tag)) if branch != tag => {
                bail!("{} is both a branch and a tag of {}, at different commits", self.tag, self.url)
            }
            (branch, tag) => {
                branch.or(tag).with_context(|| format!("{} has no tag or branch {}", self.url, self.tag))?
            }
        };
        if hash.len() < 40 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            bail!("git found no commit for {} of {}", self.tag, self.url);
        }
        Ok(hash.to_owned())
    }
}

impl Wrapper for Pin {
    fn run(&self, host: &dyn Host, command: &Command) -> Result<Output> {
        if !host.is_live() {
            return host.run(command);
        }
        self.hold(host)?;
        let output = host.run(command)?;
        if output.ok() {
            // It may have been moved only while the fetch ran.
            self.hold(host)?;
        }
        Ok(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{FakeHost, output};

    const FIRST: &str = "1111111111111111111111111111111111111111";
    const SECOND: &str = "2222222222222222222222222222222222222222";

    fn pin() -> Pin {
        Pin { url: "https://git.example/x".to_owned(), tag: "v1.7".to_owned() }
    }

    fn answering(text: String) -> FakeHost {
        FakeHost::new().answers(move |command| (command.program == "git").then(|| output(0, &text)).flatten())
    }

    #[test]
    fn the_commit_is_pinned_and_a_moved_tag_refused() {
        let host = answering(format!("{FIRST}\trefs/tags/v1.7\n"));
        pin().hold(&host).unwrap();
        let kept = host.read_text(Path::new(PATH)).unwrap().unwrap();
        assert_eq!(kept, format!("https://git.example/x v1.7 {FIRST}\n"));
        pin().hold(&host).unwrap();
        let moved = answering(format!("{SECOND}\trefs/tags/v1.7\n")).file(PATH, &kept);
        let error = pin().hold(&moved).unwrap_err().to_string();
        assert!(error.contains(FIRST) && error.contains(SECOND), "{error}");
        assert_eq!(moved.read_text(Path::new(PATH)).unwrap().unwrap(), kept);
    }

    #[test]
    fn an_annotated_tag_resolves_to_its_commit() {
        let host = answering(format!("{FIRST}\trefs/tags/v1.7\n{SECOND}\trefs/tags/v1.7^{{}}\n"));
        assert_eq!(pin().resolve(&host).unwrap(), SECOND);
    }

    #[test]
    fn branches_are_pinned_and_ambiguous_names_refused() {
        let branch = answering(format!("{FIRST}\trefs/heads/v1.7\n"));
        assert_eq!(pin().resolve(&branch).unwrap(), FIRST);
        pin().hold(&branch).unwrap();
        let kept = branch.read_text(Path::new(PATH)).unwrap().unwrap();
        let moved = answering(format!("{SECOND}\trefs/heads/v1.7\n")).file(PATH, &kept);
        let error = pin().hold(&moved).unwrap_err().to_string();
        assert!(error.contains(FIRST) && error.contains(SECOND), "{error}");
        // git clone would use the branch that somebody created next to the tag.
        let both = format!("{SECOND}\trefs/heads/v1.7\n{FIRST}\trefs/tags/v1.7\n");
        let error = pin().resolve(&answering(both)).unwrap_err().to_string();
        assert!(error.contains("different commits"), "{error}");
        let same = format!("{FIRST}\trefs/heads/v1.7\n{FIRST}\trefs/tags/v1.7\n");
        assert_eq!(pin().resolve(&answering(same)).unwrap(), FIRST);
    }

    #[test]
    fn another_url_or_tag_is_pinned_anew() {
        let host = answering(format!("{SECOND}\trefs/tags/v1.7\n"))
            .file(PATH, format!("https://git.example/x v1.6 {FIRST}\n"));
        pin().hold(&host).unwrap();
        let kept = host.read_text(Path::new(PATH)).unwrap().unwrap();
        assert!(kept.ends_with(&format!(" v1.7 {SECOND}\n")));
    }

    #[test]
    fn answers_without_a_commit_are_refused() {
        for text in ["", "oops\trefs/tags/v1.7\n", "<html>\n", "1111\trefs/tags/v1.70\n"] {
            let error = pin().hold(&answering(text.to_owned())).unwrap_err();
            assert!(error.to_string().contains("v1.7"), "{error}");
        }
    }
}
