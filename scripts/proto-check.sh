#!/usr/bin/env bash
# Fails when the committed stubs, error catalogue and access matrix are not what the contracts generate today.
set -euo pipefail
cd "$(dirname "$0")/.."

rm -rf build/proto-check
.venv/bin/python scripts/gen_protos.py build/proto-check
.venv/bin/python scripts/error_catalogue.py build/proto-check/errors.md
.venv/bin/python scripts/rbac.py build/proto-check/rbac.md
if ! { diff -r -q -x __pycache__ build/proto-check/siyu libs/protos/src/siyu &&
    diff -q build/proto-check/errors.md docs/errors.md &&
    diff -q build/proto-check/rbac.md docs/rbac.md; }; then
    echo "What is committed differs from the contracts: run 'make proto', commit libs/protos, docs/errors.md and docs/rbac.md." >&2
    exit 1
fi
echo "Stubs, docs/errors.md and docs/rbac.md match the contracts."
