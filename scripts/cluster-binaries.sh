#!/usr/bin/env bash
# Builds Kubernetes' own servers (v1.20.2) from Debian 12's source package `kubernetes`, which carries its whole vendor
# tree, with Debian's Go: nothing is downloaded but Debian packages. Two idle cores take 5 to 8 minutes, once; what is
# built stays in a cache outside the tree, which is printed last. A build that was cut goes on where it was.
set -euo pipefail

version=1.20.2
cache=${SIYU_CLUSTER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/siyu/kubernetes-$version}
binaries=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy)

complete() { for binary in "${binaries[@]}"; do [ -x "$cache/$binary" ] || return 1; done; }
if complete; then echo "$cache"; exit; fi

[ "$(id -u)" = 0 ] || { echo "Needs root, for Debian's Go and source packages." >&2; exit 1; }
cd "$(dirname "$0")/.."
scripts/apt-install.sh golang-1.19-go dpkg-dev

work=$cache.partial
mkdir -p "$work"
cd "$work"

if [ ! -d gp/src/k8s.io/kubernetes ]; then
    # Sources of our own: the machine's are not touched, and no host is named here.
    rm -rf kubernetes-1.20*
    mkdir -p apt/parts apt/lists/partial gp/src/k8s.io
    sed 's/^Types: deb$/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >apt/parts/src.sources
    options=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$PWD/apt/parts"
        -o "Dir::State::lists=$PWD/apt/lists" -o APT::Sandbox::User=root)
    apt-get "${options[@]}" update -qq
    apt-get "${options[@]}" source -qq kubernetes >/dev/null
    mv kubernetes-1.20*/ gp/src/k8s.io/kubernetes
fi
export GOPATH=$PWD/gp GOCACHE=$PWD/gc GO111MODULE=off CGO_ENABLED=0 PATH=/usr/lib/go-1.19/bin:$PATH
cd gp/src/k8s.io/kubernetes

echo "Generating the API's description"
go build -o "$work/openapi-gen" k8s.io/kubernetes/vendor/k8s.io/kube-openapi/cmd/openapi-gen
staged=(api apimachinery apiserver apiextensions-apiserver kube-aggregator metrics component-base component-helpers
    client-go cloud-provider kube-controller-manager kube-proxy kube-scheduler kubelet kubectl)
described=$(grep -rl --include='*.go' -e '^// +k8s:openapi-gen=true' pkg "${staged[@]/#/staging/src/k8s.io/}" |
    xargs -n1 dirname | sort -u | grep -v -e /testdata -e /test/ -e examples |
    sed 's#^staging/src/#vendor/#; s#^#k8s.io/kubernetes/#')
extra=k8s.io/kubernetes/vendor/k8s.io/apimachinery/pkg
"$work/openapi-gen" -O zz_generated.openapi -p k8s.io/kubernetes/pkg/generated/openapi \
    -h hack/boilerplate/boilerplate.generatego.txt -r /dev/null --output-base "$GOPATH/src" \
    --input-dirs "$(printf '%s,' $described)$extra/version,$extra/runtime" >/dev/null 2>&1

echo "Building ${binaries[*]}"
flags="-s -w"
for package in component-base/version client-go/pkg/version; do
    package=k8s.io/kubernetes/vendor/k8s.io/$package
    flags+=" -X $package.gitVersion=v$version -X $package.gitMajor=1 -X $package.gitMinor=20"
done
go build -trimpath -ldflags "$flags" -o "$work/out/" "${binaries[@]/#/k8s.io/kubernetes/cmd/}"

mkdir -p "$cache"
mv "$work"/out/* "$cache/"
chmod -R u+w "$work" && rm -rf "$work"
echo "$cache"
