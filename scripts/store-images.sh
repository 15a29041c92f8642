#!/usr/bin/env bash
# Builds images of PostgreSQL and Redis from Debian's packages, for the cluster test: localhost/postgres:15 and
# localhost/redis:7, and an empty program for the pods' own process. They stand in for any image with these servers.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$PWD/build/images
mkdir -p "$work"
. scripts/containers.sh "$work"
MIRROR=$(sed -n 's/^URIs: //p' /etc/apt/sources.list.d/debian.sources | head -1)

store() { # image, package, path of its programs
    buildah inspect --type image "$1" >/dev/null 2>&1 && return
    echo "Making $1"
    local root="$work/store-$$" name=${1##*/}
    name=${name%%:*}
    # Its user has id 999, as in the images that others publish.
    debootstrap --variant=minbase bookworm "$root" "$MIRROR" >"$work/debootstrap.log" 2>&1
    chroot "$root" useradd --system --uid 999 --user-group --home-dir /data --shell /bin/sh "$name"
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" && chmod 755 "$root/usr/sbin/policy-rc.d"
    chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null 2>&1
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}/*
    tar -C "$root" -cf "$work/root.tar" . && rm -rf "$root"
    printf 'FROM scratch\nADD root.tar /\nENV PATH=%s:/usr/local/bin:/usr/bin:/bin\nUSER 999:999\n' "$3" |
        buildah bud --isolation chroot -q -t "$1" -f - "$work" >/dev/null
    rm -f "$work/root.tar"
}

archive() { # image, name
    [ -f "$work/$2.tar" ] || buildah push -q "$1" "docker-archive:$work/$2.tar:$1"
}

store localhost/postgres:15 postgresql-15 /usr/lib/postgresql/15/bin
store localhost/redis:7 redis-server /usr/bin
archive localhost/postgres:15 postgres
archive localhost/redis:7 redis

if [ ! -f "$work/pause.tar" ]; then
    printf '#include <signal.h>\n#include <sys/wait.h>\n#include <unistd.h>\nstatic void end(int n) { (void)n; _exit(0); }\nstatic void reap(int n) { (void)n; while (waitpid(-1, 0, WNOHANG) > 0); }\nint main(void) { signal(SIGTERM, end); signal(SIGINT, end); signal(SIGCHLD, reap); for (;;) pause(); }\n' |
        cc -static -O1 -x c - -o "$work/pause"
    printf 'FROM scratch\nADD pause /pause\nENTRYPOINT ["/pause"]\n' |
        buildah bud --isolation chroot -q -t localhost/pause:1 -f - "$work" >/dev/null
    archive localhost/pause:1 pause
fi
