#!/usr/bin/env bash
# Runs buf at its pinned version: buf.sh lint | buf.sh breaking.
#
# buf checks contracts and generates nothing. It comes as a single binary inside an npm package, whose
# digest is pinned here as the Python requirements' are; once unpacked, no network is needed.
set -euo pipefail
cd "$(dirname "$0")/.."

version=1.75.0
home=.state/buf-$version
buf=$home/buf

die() { echo "$*" >&2; exit 1; }

platform() { # npm's name of this machine and the digest of its binary
    case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) echo buf-linux-x64 fad1e38d6909bbb583a4da81d8c02a01046e2cd663bde7e337dd24277393764b ;;
    Linux-aarch64) echo buf-linux-aarch64 00eb190aa82df17f393e05b04889cc60a0b13b3259d336e21a87d5f23ab4fd26 ;;
    *) die "No pinned buf for $(uname -s) $(uname -m): add its digest to scripts/buf.sh." ;;
    esac
}

install_buf() {
    read -r package digest < <(platform)
    command -v npm >/dev/null || scripts/apt-install.sh npm ||
        die "buf is unpacked from an npm package: install npm (Debian: apt-get install npm), then run this again."
    rm -rf "$home" && mkdir -p "$home"
    (cd "$home" && npm pack --silent "@bufbuild/$package@$version" >/dev/null)
    tar -xzf "$home"/*.tgz -C "$home" --strip-components=2 package/bin/buf
    rm -f "$home"/*.tgz
    if ! echo "$digest  $buf" | sha256sum --check --status; then
        rm -rf "$home"
        die "The digest of $package $version is not the pinned one: refused."
    fi
}

third_party() { # google.rpc as the installed wheel carries it: the contracts import it, buf must find it
    local site target=$1/build/third_party/google
    site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    rm -rf "$target" && mkdir -p "$target/rpc"
    cp "$site"/google/rpc/*.proto "$target/rpc/"
}

lint() {
    third_party .
    "$buf" lint
    echo "Contracts keep buf's rules."
}

breaking() {
    local tag past=build/breaking
    tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null || true)
    if [ -z "$tag" ]; then
        echo "No release yet: contracts may still move, nothing to compare with."
        return
    fi
    rm -rf "$past" && mkdir -p "$past"
    git archive "$tag" protos buf.yaml | tar -x -C "$past"
    third_party . && third_party "$past"
    "$buf" breaking --against "$past"
    echo "No breaking change since $tag."
}

[ -x "$buf" ] || install_buf
case "${1:-}" in
lint) lint ;;
breaking) breaking ;;
*) die "usage: buf.sh lint | breaking" ;;
esac
