#!/usr/bin/env bash
# Makes .venv with every locked package and the workspace's own distributions, editable.
# Needs python3 >= 3.11 with venv, and the network only for packages that are not installed yet.
set -euo pipefail
cd "$(dirname "$0")/.."

die() { echo "$*" >&2; exit 1; }

if [ ! -x .venv/bin/python ]; then
    command -v python3 >/dev/null || die "python3 is missing: install Python 3.11 or later (Debian: apt-get install python3 python3-venv)."
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "python3 is $(python3 -V): 3.11 or later is needed."
    echo "Making .venv with $(python3 -V)"
    python3 -m venv .venv || die "python3 cannot make a venv (Debian: apt-get install python3-venv)."
fi

# pip, not uv: it honours the machine's own index and mirror settings, and every file is checked against its hash.
echo "Installing the locked packages"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt

members=(libs/protos libs/kit libs/client libs/demo services/*/)
.venv/bin/uv pip install --quiet --offline --python .venv/bin/python --no-deps --no-build-isolation \
    "${members[@]/#/--editable=}"
# Every service is a process of its own: without bytecode each start would compile the same packages again.
.venv/bin/python -m compileall -q -j 0 .venv/lib/python3*/site-packages libs/*/src services/*/src >/dev/null || true

mkdir -p .state
echo "Ready: make help"
