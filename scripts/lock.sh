#!/usr/bin/env bash
# Writes requirements-dev.txt (everything), services/<name>/requirements.txt and libs/client/requirements.txt (what one
# image carries), and requirements-build.txt (what builds our own distributions into it, and stays outside).
# All resolve for Linux and macOS, x86-64 and arm64, at once; the images' versions are those of development.
# Arguments go to the resolver: "--upgrade", "-P redis".
set -euo pipefail
cd "$(dirname "$0")/.."

own=(siyu-protos siyu-kit siyu-client siyu-demo)
for member in services/*/; do own+=("siyu-$(basename "$member")"); done

compile() {
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
        "${own[@]/#/--no-emit-package=}" "$@"
    # The resolver lists what it left out: our own distributions, which no index carries.
    sed -i '/^# The following packages were excluded/,$d' "${@: -1}"
    printf '%s\n' "$(cat "${@: -1}")" >"${@: -1}" # no empty lines at the end
}

compile "$@" --group pyproject.toml:dev libs/*/pyproject.toml services/*/pyproject.toml \
    --output-file requirements-dev.txt
compile --group pyproject.toml:build --constraint requirements-dev.txt --output-file requirements-build.txt
for member in services/*/ libs/client/ libs/demo/; do
    compile "${member}pyproject.toml" --constraint requirements-dev.txt \
        --output-file "${member}requirements.txt"
done
