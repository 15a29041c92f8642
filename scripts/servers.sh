#!/usr/bin/env bash
# Sees to it that PostgreSQL's and Redis's servers are installed for the tests, and libfaketime for clocks that jump.
# The servers are started by the tests alone.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || missing+=(postgresql)
command -v redis-server >/dev/null || command -v valkey-server >/dev/null || missing+=(redis-server)
if [ ${#missing[@]} -gt 0 ]; then
    echo "Installing from Debian's packages: ${missing[*]}"
    if ! scripts/apt-install.sh "${missing[@]}"; then
        echo "The tests need: ${missing[*]}. As root: apt-get install --no-install-recommends ${missing[*]}" >&2
        exit 1
    fi
fi

# Without it `make chaos` says that it skips the clocks.
compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || scripts/apt-install.sh faketime ||
    echo "Not installed: faketime. Clocks do not jump in the fault tests."
