#!/usr/bin/env bash
# Installs Debian packages without starting their services. Fails, doing nothing, where that needs another user.
set -euo pipefail

command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || exit 1

# Tests start servers of their own on free ports: a package must not start one on the standard port.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends --no-upgrade "$@" >/dev/null
