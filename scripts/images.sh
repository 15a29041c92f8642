#!/usr/bin/env bash
# Builds the images of the services (or those named) with buildah, from packages of this machine's mirrors alone:
# base images by debootstrap, wheels downloaded once and checked against their hashes.
# Needs root and: buildah debootstrap. Images stay in build/images/storage; --archive writes build/images/<name>.tar too.
# --tree=<folder> --tag=<tag> builds another release's checkout, and writes build/images/<tag>/<name>.tar.
set -euo pipefail
cd "$(dirname "$0")/.."

die() { echo "$*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die "Images are built as root here; with Docker: docker build -f services/<name>/Dockerfile ."
missing=()
for tool in buildah debootstrap; do command -v $tool >/dev/null || missing+=($tool); done
[ ${#missing[@]} = 0 ] || scripts/apt-install.sh "${missing[@]}" || die "Needed: ${missing[*]}"

archive= tree=. tag=
names=()
for argument in "$@"; do
    case "$argument" in
    --archive) archive=yes ;;
    --tree=*) tree=${argument#*=} ;;
    --tag=*) tag=${argument#*=} ;;
    *) names+=("$argument") ;;
    esac
done
[ ${#names[@]} -gt 0 ] || names=($(basename -a "$tree"/services/*/) client)

work=$PWD/build/images
archives=$work/$tag
mkdir -p "$archives"
. scripts/containers.sh "$work"
version=${tag:-$(sed -n 's/^version = "\(.*\)"/\1/p' libs/kit/pyproject.toml)}
wheels=$PWD/build/wheelhouse

# The same Debian release for both stages: a virtual environment points at its interpreter.
base() { # image, packages
    buildah inspect --type image "$1" >/dev/null 2>&1 && return
    echo "Making $1"
    local root="$work/root-$$"
    MIRROR=${MIRROR:-$(sed -n 's/^URIs: //p' /etc/apt/sources.list.d/debian.sources | head -1)}
    debootstrap --variant=minbase --include="$2" bookworm "$root" "$MIRROR" >"$work/debootstrap.log" 2>&1 ||
        die "debootstrap failed, see $work/debootstrap.log"
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}/* "$root"/var/log/*
    tar -C "$root" -cf "$work/root.tar" . && rm -rf "$root"
    printf 'FROM scratch\nADD root.tar /\n' | buildah bud --isolation chroot -q -t "$1" -f - "$work" >/dev/null
    rm -f "$work/root.tar"
}

base localhost/siyu-base:bookworm python3,ca-certificates
base localhost/siyu-build:bookworm python3,python3-venv,ca-certificates
.venv/bin/python scripts/wheelhouse.py "$wheels" "$tree/requirements-build.txt"
for name in "${names[@]}"; do
    folder=$tree/services/$name
    [ "$name" = client ] && folder=$tree/libs/client
    [ -f "$folder/Dockerfile" ] || die "there is no service $name"
    .venv/bin/python scripts/wheelhouse.py "$wheels" "$folder/requirements.txt"
    start=$SECONDS
    buildah bud --isolation chroot --quiet --layers --volume "$wheels:/wheelhouse:ro" \
        --build-arg BASE_IMAGE=localhost/siyu-base:bookworm --build-arg BUILD_IMAGE=localhost/siyu-build:bookworm \
        --build-arg PIP_INDEX_URL= --build-arg PIP_NO_INDEX=1 --build-arg PIP_FIND_LINKS=/wheelhouse \
        --tag "localhost/siyu/$name:$version" --file "$folder/Dockerfile" "$tree" >/dev/null
    echo "localhost/siyu/$name:$version in $((SECONDS - start)) s"
    if [ -n "$archive" ]; then
        rm -f "$archives/$name.tar"
        buildah push -q "localhost/siyu/$name:$version" "docker-archive:$archives/$name.tar:localhost/siyu/$name:$version"
    fi
done
