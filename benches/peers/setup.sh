#!/usr/bin/env bash
# Installs the missing dependencies of the peers as Debian packages, as root or with sudo, and builds the peers into a
# directory. If it may not install them, or if that does not help, it names what is missing and stops.
set -euo pipefail

if [ $# != 1 ]; then
  echo "usage: benches/peers/setup.sh DIRECTORY" >&2
  exit 1
fi
mkdir -p "$1"
built=$(cd "$1" && pwd)
cd "$(dirname "$0")"

missing() {
  command -v redis-server >/dev/null || [ -x /usr/sbin/redis-server ] || echo redis-server
  [ -e /usr/include/sqlite3.h ] || echo libsqlite3-dev
  [ -e /usr/include/hiredis/hiredis.h ] || echo libhiredis-dev
  [ -e /usr/share/php/Symfony/Component/Cache/autoload.php ] || echo php-symfony-cache
  [ -e /usr/share/php/Psr/SimpleCache/autoload.php ] || echo php-psr-simple-cache
  php -r 'exit(extension_loaded("redis") ? 0 : 1);' || echo php-redis
  python3 -c 'import venv, ensurepip' 2>/dev/null || echo python3-venv
}

packages=$(missing | xargs)
if [ -n "$packages" ]; then
  echo "setup: missing: $packages"
  if ! command -v apt-get >/dev/null; then
    echo "setup: this is no Debian or Ubuntu; install what these packages hold there, and run this again" >&2
    exit 1
  fi
  sudo=
  if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
      echo "setup: run as root: apt-get install $packages" >&2
      exit 1
    fi
    sudo=sudo
  fi
  $sudo apt-get update -qq
  # shellcheck disable=SC2086
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
  packages=$(missing | xargs)
  if [ -n "$packages" ]; then
    echo "setup: still missing after installing: $packages" >&2
    exit 1
  fi
fi

# A failed build costs only its own rows.
build() {
  echo "setup: $1"
  "$@" || echo "setup: $1 failed: its rows will be missing" >&2
}
with_hiredis() { cc -std=c99 -Wall -Wextra -Wpedantic -Werror -O2 c/hiredis.c -o "$built/hiredis" -lhiredis; }
in_go() { (cd go && go build -o "$built/silenceper" .); }
in_python() {
  cmp -s python/requirements.txt "$built/peers-venv/requirements.txt" && return
  python3 -m venv --clear "$built/peers-venv" &&
    "$built/peers-venv/bin/pip" install --quiet --disable-pip-version-check -r python/requirements.txt &&
    cp python/requirements.txt "$built/peers-venv"
}
in_java() { mvn -B -q -f java/pom.xml -Dpeers.build="$built/peers-java" compile; }
build with_hiredis
build in_go
build in_python
build in_java
