//! A release as strangers get it: `scripts/release` makes it with a throw-away key, and a machine that has never seen a
//! compiler, and knows only that key, installs from it.

mod thorough {
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};
    use std::sync::OnceLock;
    use std::time::Instant;

    use serde_json::Value;

    use crate::bed::{Machine, done, says, text};
    use crate::package::{assert_enabled, credentials, run};

    const KEY: &str = "/etc/apt/keyrings/jitsi-tokens-setup.asc";
    const LIST: &str = "/etc/apt/sources.list.d/jitsi-tokens-setup.list";

    /// gpg with its files in this folder.
    fn gpg(home: &Path) -> Command {
        let mut command = Command::new("gpg");
        command.arg("--homedir").arg(home).args(["--batch", "--quiet"]);
        command
    }

    /// A folder for gpg's files; its agent ends when the folder is dropped.
    struct Keys(tempfile::TempDir);

    impl Keys {
        fn new() -> Self {
            Self(tempfile::Builder::new().prefix("gpg-").tempdir_in("/tmp").expect("a folder"))
        }

        fn home(&self) -> &Path {
            self.0.path()
        }
    }

    impl Drop for Keys {
        fn drop(&mut self) {
            let _ = Command::new("gpgconf").arg("--homedir").arg(self.home()).args(["--kill", "all"]).status();
        }
    }

    /// The release in the folder that RELEASE names, or else one made from the current sources.
    fn release() -> &'static Path {
        static FOLDER: OnceLock<PathBuf> = OnceLock::new();
        FOLDER.get_or_init(|| {
            if let Some(folder) = std::env::var_os("RELEASE") {
                return PathBuf::from(folder);
            }
            let keys = Keys::new();
            let owner = "Throw-away <nobody@example.org>";
            done(gpg(keys.home()).args([
                "--passphrase",
                "",
                "--quick-generate-key",
                owner,
                "ed25519",
                "sign",
                "never",
            ]));
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/release");
            let mut command = Command::new(script);
            command.args(["--key", owner, "--draft"]).env("GNUPGHOME", keys.home());
            let made = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().expect("scripts/release runs");
            let said = text(&made.stdout);
            assert!(made.status.success(), "scripts/release: {}\n{said}", made.status);
            PathBuf::from(said.lines().last().expect("it prints where the release is"))
        })
    }

    fn version() -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    fn file(ending: &str) -> PathBuf {
        release().join(format!("jitsi-tokens-setup_{}_{ending}", version()))
    }

    /// The list of crates inside a program, read as any reader of that format would.
    fn crates_inside(program: &Path) -> Value {
        let script = "import struct, sys, zlib
data = open(sys.argv[1], 'rb').read()
offset, = struct.unpack_from('<Q', data, 0x28)
size, count, names = struct.unpack_from('<HHH', data, 0x3A)
sections = [struct.unpack_from('<IIQQQQ', data, offset + size * i) for i in range(count)]
base = sections[names][4]
for name, _, _, _, start, length in sections:
    if data[base + name:].startswith(b'.dep-v0\\0'):
        print(zlib.decompress(data[start:start + length]).decode())
";
        let read = done(Command::new("python3").args(["-c", script]).arg(program));
        serde_json::from_str(&text(&read.stdout)).unwrap_or_else(|error| panic!("{}: {error}", program.display()))
    }

    #[test]
    fn a_release_is_fully_signed_and_lists_its_crates() {
        let folder = release();
        let keys = Keys::new();
        done(gpg(keys.home()).arg("--import").arg(folder.join("jitsi-tokens-setup.asc")));
        done(gpg(keys.home()).arg("--verify").arg(folder.join("SHA256SUMS.asc")).arg(folder.join("SHA256SUMS")));
        let sums = done(Command::new("sha256sum").args(["--strict", "-c", "SHA256SUMS"]).current_dir(folder));
        let checked = text(&sums.stdout);
        for architecture in ["amd64", "arm64"] {
            for ending in ["", ".deb", ".cdx.json"] {
                let name = format!("jitsi-tokens-setup_{}_{architecture}{ending}: OK", version());
                assert!(checked.lines().any(|line| line == name), "{name} is not in:\n{checked}");
            }
            let inside = crates_inside(&file(architecture));
            let packages = inside["packages"].as_array().expect("a list");
            let own = packages.iter().find(|package| package["root"] == true).expect("the program itself");
            assert_eq!((&own["name"], &own["version"]), (&"jitsi-tokens-setup".into(), &version().into()));
            let bill = std::fs::read_to_string(file(&format!("{architecture}.cdx.json"))).expect("a bill");
            let bill: Value = serde_json::from_str(&bill).expect("it is JSON");
            assert_eq!(bill["specVersion"], "1.5");
            let listed = bill["components"].as_array().expect("components");
            // Rust's library and the C library are listed with the crates; the program itself is not a component.
            assert_eq!(listed.len() - 2, packages.len() - 1);
            for name in ["ring", "rustls", "glibc", "rust-std"] {
                assert!(listed.iter().any(|one| one["name"] == name && one["scope"] == "required"), "{name}");
            }
        }
        let collection = format!("jitsi_tokens-setup-{}.tar.gz: OK", version());
        assert!(checked.lines().any(|line| line == collection), "{collection} is not in:\n{checked}");
        let crate_file = folder.join(format!("jitsi-tokens-setup-{}.crate", version()));
        let inside = text(&done(Command::new("tar").arg("-tzf").arg(crate_file)).stdout);
        assert!(inside.contains("/src/main.rs") && inside.contains("/Cargo.lock"), "{inside}");
    }

    /// A machine with the release folder on it, without this build's own mounted program in the path.
    fn machine() -> Machine {
        let machine = Machine::boot("bookworm-bundled");
        let place = machine.root().join("srv/release");
        done(Command::new("cp").arg("-R").arg(release()).arg(place));
        machine.sh(
            "chmod -R go=rX /srv/release; touch /run/bed-jicofo; ! command -v jitsi-tokens-setup; ! command -v cargo",
        );
        machine
    }

    fn add_source(machine: &Machine) {
        machine.sh(&format!(
            "mkdir -p /etc/apt/keyrings
             echo 'deb [signed-by={KEY}] file:/srv/release/apt stable main' >{LIST}"
        ));
    }

    fn add_key(machine: &Machine) {
        machine.sh(&format!("cp /srv/release/jitsi-tokens-setup.asc {KEY}; chmod 644 {KEY}"));
    }

    /// Prints how long each part took.
    fn laps() -> impl FnMut(&str) {
        let mut began = Instant::now();
        move |name| {
            println!("{name}: {:.1} s", began.elapsed().as_secs_f32());
            began = Instant::now();
        }
    }

    const APT: &str = "LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get -q";

    #[test]
    fn apt_installs_the_release_with_only_its_key() {
        let machine = machine();
        let mut lap = laps();
        add_source(&machine);
        add_key(&machine);
        machine.sh(&format!("{APT} update 2>&1; {APT} install -y jitsi-tokens-setup 2>&1"));
        lap("apt");
        assert!(machine.is_open());
        let preview = run(&machine, &["install", "--dry-run"]);
        lap("install --dry-run");
        assert_eq!(preview.code, 0, "{}", preview.all());
        says(&run(&machine, &["install", "--yes"]), 0, &[]);
        lap("install --yes");
        let minted = run(&machine, &["token", "mint", "--room", "tea", "--url"]);
        lap("token mint");
        assert_eq!(minted.code, 0, "{}", minted.all());
        assert!(minted.stdout.contains("/tea?jwt="), "{}", minted.stdout);
        assert_enabled(&machine, &credentials(&machine));
    }

    #[test]
    fn apt_rejects_wrong_keys_and_modified_packages() {
        let machine = machine();
        add_source(&machine);
        // Another key, in the right place.
        let keys = Keys::new();
        let owner = "Somebody else <else@example.org>";
        done(gpg(keys.home()).args(["--passphrase", "", "--quick-generate-key", owner, "ed25519", "sign", "never"]));
        let other = done(gpg(keys.home()).args(["--armor", "--export", owner]));
        std::fs::write(machine.root().join(KEY.trim_start_matches('/')), other.stdout).expect("a key");
        let refused = machine.try_sh(&format!("{APT} update 2>&1; {APT} install -y jitsi-tokens-setup 2>&1"));
        assert_ne!(refused.code, 0, "{}", refused.all());
        assert!(refused.all().contains("NO_PUBKEY"), "{}", refused.all());
        assert_ne!(machine.try_sh("command -v jitsi-tokens-setup").code, 0);

        add_key(&machine);
        let index = "/srv/release/apt/dists/stable/main/binary-amd64/Packages";
        machine.sh(&format!(
            "cp -a {index} /srv/kept; rm {index}.gz; sed -i 's/^Depends:.*//; s/^Section: .*/Section: net/' {index}"
        ));
        let refused = machine.try_sh(&format!("{APT} update 2>&1"));
        assert!(refused.all().contains("unexpected size") || refused.all().contains("Hash"), "{}", refused.all());
        assert_ne!(machine.try_sh(&format!("{APT} install -y jitsi-tokens-setup 2>&1")).code, 0);

        machine.sh(&format!("cp -a /srv/kept {index}; printf x >>/srv/release/apt/pool/main/*_amd64.deb"));
        let refused = machine.try_sh(&format!("{APT} update 2>&1 && {APT} install -y jitsi-tokens-setup 2>&1"));
        assert_ne!(refused.code, 0, "{}", refused.all());
        assert_ne!(machine.try_sh("command -v jitsi-tokens-setup").code, 0);
    }
}
