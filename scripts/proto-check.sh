#!/usr/bin/env bash
# Fails when the committed stubs are not what the contracts generate today.
set -euo pipefail
cd "$(dirname "$0")/.."

rm -rf build/proto-check
.venv/bin/python scripts/gen_protos.py build/proto-check
if ! diff -r -q -x __pycache__ build/proto-check/siyu libs/protos/src/siyu; then
    echo "The committed stubs differ from the contracts: run 'make proto' and commit libs/protos." >&2
    exit 1
fi
echo "Stubs match the contracts."
