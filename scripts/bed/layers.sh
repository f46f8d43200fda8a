# shellcheck shell=bash
# Which layers a profile is made of, and the content hash that names each.
# A layer's key covers everything it is made from, the keys below it included,
# so that a changed stand-in leaves the costly root alone.

# A minimal cloud machine: no compiler, no git, no luarocks.
ROOT_PACKAGES="systemd systemd-sysv dbus apt-utils ca-certificates openssl procps iproute2 bsdextrautils less prosody"
# Everything that the tutorial, the program or a test may install with apt.
POOL_PACKAGES="git cmake luarocks libssl-dev gcc make libc6-dev pkg-config unzip zip
  lua-basexx lua-cjson lua-luaossl lua-inspect lua-sec lua5.1 liblua5.1-0-dev
  lua5.2 liblua5.2-dev lua5.3 liblua5.3-dev lua5.4 liblua5.4-dev sudo strace"
# For joining meetings as people do (layer browser).
BROWSER_PACKAGES="chromium-headless-shell nodejs nginx-light openssl fonts-dejavu-core"
SOURCE_SUITE=bookworm   # its luaossl is newer than the 20190731 that the rockspec requires
SOURCE_PACKAGES="lua-cjson lua-luaossl"

# The layers of a profile, topmost first, unless it sets others.
LAYERS="host standins pool root"

load_profile() {
  [[ -f $BED_DIR/profiles/$1 ]] || die "no profile '$1'; there are: $(profiles)"
  # shellcheck source=profiles/bullseye-decode
  . "$BED_DIR/profiles/$1"
  export SUITE ERA JITSI_VERSION JITSI_DATE LUA DOMAIN
  export ROOT_PACKAGES BROWSER_PACKAGES POOL_PACKAGES SOURCE_SUITE SOURCE_PACKAGES
}

# Twelve hex digits of a hash of the arguments and the contents of the kind's files.
key_of() { # KIND VALUE...
  local kind=$1; shift
  # Relative names: the same files in another checkout have the same key.
  { printf '%s\n' "$kind" "$@"; cd "$BED_DIR" && layer_files "$kind" | xargs -0 sha256sum; } |
    sha256sum | cut -c1-12
}

layer_files() {
  printf 'layers/%s\0' "$1"
  case $1 in
    standins) find standins -type f -print0 | LC_ALL=C sort -z ;;
    browser) printf '%s\0' browser/* ;;
  esac
}

# Sets KEY_root and so on for the layers of the loaded profile.
layer_keys() {
  KEY_root=$(key_of root "$SUITE" "$ROOT_PACKAGES" "$DOMAIN" "$(dpkg --print-architecture)")
  KEY_browser=$(key_of browser "$KEY_root" "$BROWSER_PACKAGES")
  [[ $LAYERS == *host* ]] || return 0
  KEY_sources=$(key_of sources "$SOURCE_SUITE" "$SOURCE_PACKAGES")
  KEY_pool=$(key_of pool "$KEY_root" "$POOL_PACKAGES" "$LUA")
  KEY_standins=$(key_of standins "$KEY_sources" "$ERA" "$JITSI_VERSION" "$JITSI_DATE")
  KEY_host=$(key_of host "$KEY_root" "$KEY_pool" "$KEY_standins" "$DOMAIN" "$LUA")
}
