#!/usr/bin/env bash
# Fails when the committed stubs and error catalogue are not what the contracts generate today.
set -euo pipefail
cd "$(dirname "$0")/.."

rm -rf build/proto-check
.venv/bin/python scripts/gen_protos.py build/proto-check
.venv/bin/python scripts/error_catalogue.py build/proto-check/errors.md
if ! { diff -r -q -x __pycache__ build/proto-check/siyu libs/protos/src/siyu &&
    diff -q build/proto-check/errors.md docs/errors.md; }; then
    echo "What is committed differs from the contracts: run 'make proto', commit libs/protos and docs/errors.md." >&2
    exit 1
fi
echo "Stubs and docs/errors.md match the contracts."
