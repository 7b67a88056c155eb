# Sourced by the scripts beside it: what a fresh Debian or Ubuntu machine needs, installed once.
# Every function can be repeated and says what it does only when it does something.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

need_swift() {
  command -v swift >/dev/null 2>&1 ||
    fail "Swift 6.3 is needed: install it from https://www.swift.org/install/linux, put it on PATH, run this again."
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null 2>&1; then sudo "$@"
  else fail "installing packages needs root: run '$*' as root, then run this again."; fi
}

# Installs the Debian packages among "$@" that are missing.
need_packages() {
  local missing=() package
  command -v dpkg-query >/dev/null 2>&1 ||
    fail "this is not Debian or Ubuntu: install the equivalents of: $*"
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" = "install ok installed" ] ||
      missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return 0
  say "installing ${missing[*]}"
  # The database package would otherwise create and start a cluster of its own on port 5432.
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    as_root mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
  fi
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# What building and running the service takes.
need_build_packages() {
  need_packages libnghttp2-dev libpq-dev zlib1g-dev pkg-config postgresql tzdata dcmtk
  # Debian's version says which fixes are in; the library itself does not.
  local nghttp2
  nghttp2=$(dpkg-query -W -f '${Version}' libnghttp2-14)
  dpkg --compare-versions "$nghttp2" ge 1.52.0-1+deb12u3 ||
    fail "libnghttp2-14 $nghttp2 lacks security fixes: install 1.52.0-1+deb12u3 or newer (apt-get update && apt-get upgrade)."
}

# An optimized consentd that still has what builds for tests have (`#if DEBUG`): points at which a
# node can be stopped, clocks that differ, variants broken on purpose. Nobody serves with it.
build_for_faults() {
  swift build -c release -Xswiftc -DDEBUG --scratch-path .build-soak --product consentd >&2
}

# The clients of ops/test --all-clients: grpc-go and grpc-java.
need_other_clients() {
  need_packages golang-go golang-google-grpc-dev openjdk-17-jdk-headless libgrpc-java \
    libnetty-java libguava-java libprotobuf-java libgoogle-gson-java libperfmark-java
}

# A Python of the project's own, with the packages of the requirements file "$1".
need_python() {
  need_packages python3 python3-venv
  [ -x .venv/bin/python ] || { say "making .venv"; /usr/bin/python3 -m venv .venv; }
  local stamp=".venv/.$(basename "$1").sha256"
  if ! sha256sum --status -c "$stamp" 2>/dev/null; then
    say "installing the Python packages of $1"
    .venv/bin/pip install --quiet --disable-pip-version-check -r "$1"
    sha256sum "$1" >"$stamp"
  fi
}
