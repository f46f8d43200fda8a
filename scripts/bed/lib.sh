# shellcheck shell=bash
# Shared by all bed scripts: paths, messages, mirrors and containers.
# Sourced, never run. Nothing here changes the machine.

BED_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
BED_CACHE=${JTS_BED_CACHE:-/var/cache/jitsi-tokens-setup-bed}
BED_LAYERS=$BED_CACHE/layers    # read-only trees, one folder per content hash
BED_STACKS=$BED_CACHE/stacks    # NAME -> the layers of a snapshot, top first
BED_RUN=$BED_CACHE/run          # one folder per running container
BED_TMP=$BED_CACHE/tmp          # unfinished builds

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$@"; exit 1; }

usage() { printf 'usage: scripts/bed/%s\n' "$*" >&2; exit 2; }

profiles() { (cd "$BED_DIR/profiles" && printf '%s ' *); }

need_root() { [[ $EUID -eq 0 ]] || die "must run as root (containers and overlay mounts)"; }

# Names become folder, machine and host names: keep them plain.
check_name() {
  [[ $1 =~ ^[a-z0-9][a-z0-9.-]{0,40}$ ]] ||
    die "bad name '$1': lower-case letters, digits, '.' and '-' only, at most 41"
}

make_dirs() { mkdir -p "$BED_LAYERS" "$BED_STACKS" "$BED_RUN" "$BED_TMP"; }

# One line per Debian archive entry that apt itself knows about: URI SUITE COMPONENT.
# Asking apt spares us from parsing one-line and deb822 files.
apt_entries() {
  # shellcheck disable=SC2016  # apt's own placeholders
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' | sort -u
}

# The machine's mirror: the entry that serves main of the release it runs.
debian_mirror() {
  local codename uri
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
  uri=$(apt_entries | awk -v c="$codename" \
    '$3 == "main" && ($2 == c || $2 ~ /^(old)*stable$/) { print $1; exit }')
  [[ -n $uri ]] || die "apt knows no mirror for main of '$codename' (apt-get indextargets)"
  printf '%s\n' "${uri%/}"
}

# The security mirror, or nothing if the machine has none.
security_mirror() {
  local uri
  uri=$(apt_entries | awk '$3 == "main" && $2 ~ /-security$/ { print $1; exit }')
  printf '%s\n' "${uri%/}"
}

# The Debian sources of a suite as one-line entries. $1: deb or deb-src. A mirror may be a snapshot, whose lists of the
# next release have expired.
debian_sources() {
  local entry="$1 [check-valid-until=no]" suite=$2 security
  printf '%s %s %s main\n' "$entry" "$(debian_mirror)" "$suite"
  security=$(security_mirror)
  [[ -z $security ]] || printf '%s %s %s-security main\n' "$entry" "$security" "$suite"
}

# ---- containers -------------------------------------------------------------

run_dir() { printf '%s/%s\n' "$BED_RUN" "$1"; }
merged() { printf '%s/%s/merged\n' "$BED_RUN" "$1"; }

# A PID alone may be reused after a crash, but not together with its start time.
# A zombie counts as gone: its parent may need a second to reap it.
start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" { print $20 }'; }

remember_pid() { printf '%s %s\n' "$2" "$(start_time "$2")" >"$1"; }

# Prints the PID kept in a file if that same process is still alive.
live_pid() {
  local pid started
  [[ -r $1 ]] && read -r pid started <"$1" || return 1
  [[ -n ${started:-} && $(start_time "$pid") == "$started" ]] || return 1
  printf '%s\n' "$pid"
}

leader_of() {
  check_name "$1"
  live_pid "$(run_dir "$1")/leader" || die "no container '$1' is up"
}

# One change of a container at a time; other names are not held up. Ending a container removes its lock file, so a lock
# that was waited for may be gone.
lock_name() {
  local lock=$BED_RUN/.$1.lock
  make_dirs
  while :; do
    exec 8>"$lock"
    flock -w 120 8 || die "container '$1' is being changed by another command"
    [[ ! $lock -ef /dev/fd/8 ]] || return 0
  done
}

# Removes the lock, which the caller holds, of a container that is gone.
forget_name() { rm -f "$BED_RUN/.$1.lock"; }

# Uses the older system call: the newer one, which Debian 13's mount prefers, accepts at most 255 bytes of layers.
mount_overlay() { # LOWERDIRS UPPER WORK TARGET [MORE-OPTIONS]
  LIBMOUNT_FORCE_MOUNT2=always mount -t overlay bed -o "lowerdir=$1,upperdir=$2,workdir=$3${5:+,$5}" "$4"
}

# Deletes layers that no snapshot and no container uses: those of earlier
# stand-ins after a week, those of replaced snapshots after an hour.
prune_layers() {
  local layer used
  # A pattern that nothing matches makes cat fail, and must not make everything unused.
  used=$(cat "$BED_STACKS"/* "$BED_RUN"/*/stack 2>/dev/null | tr : '\n' || true)
  for layer in "$BED_LAYERS"/*/; do
    layer=${layer%/}
    ! grep -qxF -- "$layer" <<<"$used" || continue
    case $layer in
      */snapshot-*) [[ -n $(find "$layer" -maxdepth 0 -mmin +60) ]] || continue ;;
      *) [[ -z $(find "$layer" "$layer.used" -maxdepth 0 -mtime -7 2>/dev/null) ]] || continue ;;
    esac
    rm -rf --one-file-system "$layer" "$layer.used"
  done
}

# Runs a command in a tree that is not booted; it has the host's network only if
# requested. PATH and the like are set: nothing of the caller's leaks in.
in_tree() { # ROOT none|host CMD...
  local root=$1 network=$2; shift 2
  local args=(-q -D "$root" --register=no --pipe --link-journal=no
    --setenv=DEBIAN_FRONTEND=noninteractive --setenv=LC_ALL=C.UTF-8 --setenv=HOME=/root)
  [[ -d /run/systemd/system ]] || args+=(--keep-unit)
  if [[ $network == host ]]; then args+=(--resolv-conf=copy-host); else args+=(--resolv-conf=off --private-network); fi
  systemd-nspawn "${args[@]}" "$@" </dev/null
}

# Puts a container's upper and work folder on an ext4 image: a disk of its own, with its own journal and caches.
attach_disk() { # RUN-DIR IMAGE
  local dir=$1 image=$2
  if [[ ! -e $image ]]; then
    truncate -s 2G "$image"
    mkfs.ext4 -q -E lazy_itable_init=1,lazy_journal_init=1 "$image"
  fi
  mkdir "$dir/disk"
  mount -o loop "$image" "$dir/disk"
  mkdir -p "$dir"/disk/{upper,work}
  ln -s disk/upper "$dir/upper"
  ln -s disk/work "$dir/work"
}

wait_gone() { # PIDFILE SECONDS
  local end=$((SECONDS + $2))
  while live_pid "$1" >/dev/null; do
    [[ $SECONDS -lt $end ]] || return 1
    sleep 0.02
  done
}

# Ends what is still running of a container and removes its folder. The caller
# holds the name's lock.
remove_run() {
  local dir
  dir=$(run_dir "$1")
  end_processes "$dir"
  unmount "$dir/merged"
  unmount "$dir/disk"
  rm -rf --one-file-system "$dir"
}

end_processes() { # RUN-DIR
  local pid kind
  for kind in leader nspawn; do
    if pid=$(live_pid "$1/$kind"); then kill -KILL "$pid" 2>/dev/null || true; fi
  done
  for kind in leader nspawn; do
    wait_gone "$1/$kind" 10 || die "a process of '${1##*/}' does not end: $(cat "$1/$kind")"
  done
}

unmount() {
  if mountpoint -q "$1"; then umount "$1" 2>/dev/null || umount -l "$1"; fi
}
