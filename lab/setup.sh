#!/usr/bin/env bash
# Makes .venv and what demo and tests stand on; with the argument `host` also what a plain libvirt host needs, with
# `cluster` also that and what a real cluster runs on, with `release` all of it and what builds images for another
# architecture, with `kind` all that a cluster needs and a container engine. Quick when all is there; safe to run again at
# any time.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-}
# A company's own certificates are in the system's store; where there is none, uv brings its own.
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then export UV_SYSTEM_CERTS=1; fi

say() { printf '%s\n' "$*" >&2; }

# Debian and Ubuntu: package, and a test of whether what we need of it is there.
missing_packages() {
  command -v qemu-system-x86_64 >/dev/null || echo qemu-system-x86
  command -v fusermount3 >/dev/null || echo fuse3
  command -v virsh >/dev/null || echo libvirt-clients # 2.4 MB: compares our reading of domain XML with libvirt's
  command -v as >/dev/null && command -v ld >/dev/null || echo binutils
  command -v setpriv >/dev/null && command -v unshare >/dev/null || echo util-linux
  # A compiler makes the kernel tests' counters move, and is what the sampler is measured against; nothing else
  # needs it, so it is not asked of people who would have to call their administrator.
  [ "$(id -u)" != 0 ] || command -v gcc >/dev/null || echo gcc libc6-dev
  # Sets the wall clocks of programs in tests (100 KB); likewise.
  [ "$(id -u)" != 0 ] || compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || echo libfaketime
  # The browser in which tests look at the page of `web` (360 MB); likewise.
  [ "$(id -u)" != 0 ] || command -v chromium >/dev/null || echo chromium
  case $what in cluster | release | kind) [ "$(id -u)" != 0 ] || cluster_packages ;; esac
  [ "$what" != release ] || [ "$(id -u)" != 0 ] || release_packages
  [ "$what" != kind ] || [ "$(id -u)" != 0 ] || kind_packages
  [ -z "$what" ] || [ "$(id -u)" != 0 ] || host_packages
  [ -n "$python" ] && "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

# What a real cluster runs on, and what makes its images; only root can start one. Where Docker brought its own
# containerd, that one is taken: Debian's would push it out.
cluster_packages() {
  command -v containerd >/dev/null || echo containerd
  command -v runc >/dev/null || echo runc
  [ -x /usr/lib/cni/bridge ] || echo containernetworking-plugins
  command -v ip >/dev/null || echo iproute2
  command -v buildah >/dev/null || echo buildah
  command -v rpm >/dev/null || echo rpm # reads and installs the rpm of a release
  command -v lintian >/dev/null || echo lintian # the next check packages of a release (15 MB), and scripts of workflows
  command -v rpmlint >/dev/null || echo rpmlint
  command -v mandoc >/dev/null || echo mandoc
  command -v shellcheck >/dev/null || echo shellcheck
  command -v debootstrap >/dev/null || echo debootstrap
  [ -f /usr/share/keyrings/debian-archive-keyring.gpg ] || echo debian-archive-keyring
}

release_packages() {
  command -v mmdebstrap >/dev/null || echo mmdebstrap arch-test # the base of the images, the same bytes each time
  [ -f /usr/lib/binfmt.d/qemu-aarch64.conf ] || echo qemu-user-static
}

kind_packages() {
  command -v docker >/dev/null || command -v podman >/dev/null || echo docker.io
}

# libvirt's Python bindings are built against the libvirt of this machine. libvirtd itself is not installed: lab.libvirt
# unpacks it into the user's cache.
host_packages() {
  pkg-config --exists libvirt 2>/dev/null || echo libvirt-dev pkg-config
  [ -z "$python" ] || "$python" -c "$has_headers" || echo python3-dev
}
has_headers='import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'

find_python() {
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      command -v "$candidate"
      return
    fi
  done
}

install_packages() {
  local packages
  packages=$(missing_packages | sort -u | tr '\n' ' ')
  [ -n "$packages" ] || return 0
  if ! command -v apt-get >/dev/null; then
    say "These Debian packages, by whatever name your system has them, are needed: $packages"
    exit 1
  fi
  if [ "$(id -u)" != 0 ]; then
    say "System packages are missing. Install them and run make again:"
    say "  sudo apt-get install --no-install-recommends $packages"
    exit 1
  fi
  say "installing $packages"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086  # a list of names
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends $packages; } >/tmp/cachemon-apt.log 2>&1 || {
    tail -n 20 /tmp/cachemon-apt.log >&2
    say "apt-get failed; its whole output is in /tmp/cachemon-apt.log"
    exit 1
  }
  python=$(find_python)
}

make_venv() {
  local stamp=.venv/cachemon-setup wanted
  wanted=$(cat requirements/uv.txt requirements/dev.txt pyproject.toml emulator/pyproject.toml | sha256sum)
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && .venv/bin/python -c '' 2>/dev/null && return 0
  say "making .venv with $("$python" --version)"
  [ -x .venv/bin/python ] && .venv/bin/python -c '' 2>/dev/null || rm -rf .venv
  [ -d .venv ] || "$python" -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
  VIRTUAL_ENV=$PWD/.venv .venv/bin/uv pip sync --quiet --require-hashes requirements/uv.txt requirements/dev.txt
  VIRTUAL_ENV=$PWD/.venv .venv/bin/uv pip install --quiet --no-deps --no-build-isolation --editable . --editable emulator
  printf '%s' "$wanted" >"$stamp"
  rm -f .venv/cachemon-setup-libvirt # the sync has taken them out again
}

# Who is not root may have no compiler: the tests that need this then skip, and say why.
add_libvirt() {
  local stamp=.venv/cachemon-setup-libvirt wanted
  if ! { command -v gcc && pkg-config --exists libvirt && .venv/bin/python -c "$has_headers"; } >/dev/null 2>&1; then
    say "no gcc, pkg-config, libvirt-dev or python3-dev: going on without libvirt's Python bindings"
    return 0
  fi
  wanted=$(sha256sum <requirements/libvirt.txt)
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && return 0
  say "building libvirt's Python bindings"
  VIRTUAL_ENV=$PWD/.venv .venv/bin/uv pip install --quiet --require-hashes \
    --build-constraints requirements/libvirt.txt --requirements requirements/libvirt.txt
  printf '%s' "$wanted" >"$stamp"
}

python=$(find_python)
install_packages
[ -n "$python" ] || { say "Python 3.11 or newer is needed; found $(python3 --version 2>&1)"; exit 1; }
make_venv
[ -z "$what" ] || add_libvirt
.venv/bin/python -m lab.kubernetes.binaries
