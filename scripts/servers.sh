#!/usr/bin/env bash
# Sees to it that PostgreSQL's and Redis's servers are installed for the tests. They are started by the tests alone.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || missing+=(postgresql)
command -v redis-server >/dev/null || command -v valkey-server >/dev/null || missing+=(redis-server)
[ ${#missing[@]} -gt 0 ] || exit 0

echo "Installing from Debian's packages: ${missing[*]}"
if ! scripts/apt-install.sh "${missing[@]}"; then
    echo "The tests need: ${missing[*]}. As root: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
fi
