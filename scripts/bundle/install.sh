#!/bin/sh
# install.sh <folder>: makes a virtual environment there with the whole platform, from the files beside this script.
# Needs no network. Every file is checked against SHA256SUMS, every wheel against requirements.txt.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${1:?"usage: install.sh <folder>"}

die() { echo "$*" >&2; exit 1; }
command -v python3 >/dev/null || die "python3 is missing: Python 3.11 with venv is needed."
(cd "$here" && sha256sum --quiet --check SHA256SUMS) || die "The bundle is not what was made: copy it again."
python3 -m venv "$target" || die "python3 cannot make a venv (Debian: apt-get install python3-venv)."
"$target/bin/python" -m pip install --quiet --disable-pip-version-check --no-index --find-links "$here/wheelhouse" \
    --require-hashes --requirement "$here/requirements.txt"
echo "Installed. What this machine lacks: $target/bin/siyu doctor"
