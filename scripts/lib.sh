# shellcheck shell=bash
# Shared by setup, try, test and other scripts: paths, messages, root privileges, and how everything is built. Sourced,
# never run.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
BED=$TOP/scripts/bed

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$@"; exit 1; }

# Prints a heading, in bold on a terminal.
heading() {
  if [[ -t 1 ]]; then printf '\n\033[1m%s\033[0m\n' "$1"; else printf '\n%s\n' "$1"; fi
}

as_root() {
  if [[ $EUID -eq 0 ]]; then
    "$@"
  else
    command -v sudo >/dev/null || die "must be run as root, and there is no sudo: run it as root"
    sudo --preserve-env=JTS_BED_CACHE,http_proxy,https_proxy,no_proxy "$@"
  fi
}

bed() { local command=$1; shift; as_root "$BED/$command" "$@"; }

# rustup installs cargo to a folder that is not in the PATH of sudo and of services.
command -v cargo >/dev/null || PATH=$PATH:${CARGO_HOME:-${HOME:-/root}/.cargo}/bin

# The only place that defines how the program is built: linked statically, so that what a new Debian builds runs on an
# old one. An explicit target keeps that flag away from procedural macros.
use_build_flags() {
  cd "$TOP" || die "cannot enter $TOP"
  CARGO_BUILD_TARGET=$(rustc -vV | sed -n 's/^host: //p')
  CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")
  BINARY=$CARGO_TARGET_DIR/$CARGO_BUILD_TARGET/debug/jitsi-tokens-setup
  export CARGO_BUILD_TARGET CARGO_TARGET_DIR BINARY RUSTFLAGS="-C target-feature=+crt-static"
}

# Copies the tracked files and new ones to FOLDER/source, and every crate to FOLDER/vendor, for a build without a
# network where FOLDER is mounted as /srv/vendored.
vendor_source() { # FOLDER
  rm -rf "$1/source"
  mkdir -p "$1/source/.cargo"
  (cd "$TOP" && git ls-files -z --cached --others --exclude-standard |
    tar --create --null --files-from=- --ignore-failed-read | tar --extract -C "$1/source")
  cargo vendor --locked --versioned-dirs "$1/vendor" 2>"$1/log" >"$1/source/.cargo/config.toml" ||
    { tail -n 20 "$1/log" >&2; die 'the crates could not be had'; }
  sed -i 's|^directory = .*|directory = "/srv/vendored/vendor"|' "$1/source/.cargo/config.toml"
}
