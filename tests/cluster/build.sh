#!/bin/sh
# Builds the programs of Kubernetes that tests run, once, and prints the folder they are in: those named,
# else the control plane that the cluster tests need.
# KUBEBUILDER_ASSETS (a folder with etcd, kube-apiserver, kubectl) stands for those three where it is set;
# kube-controller-manager, which that convention leaves out, is then built here.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || set -- etcd kube-apiserver kubectl kube-controller-manager

if ! command -v go >/dev/null 2>&1; then
  echo "The cluster tests build Kubernetes from its Go modules and there is no 'go' on the PATH." >&2
  echo "Install Go 1.26 or newer, then run this again:" >&2
  echo "  apt-get install golang-1.26 && export PATH=\"\$PATH:/usr/lib/go-1.26/bin\"   (or see https://go.dev/doc/install)" >&2
  exit 1
fi

version=$(sed -n 's/^\tk8s.io\/kubernetes \(v[0-9.]*\).*/\1/p; s/^require k8s.io\/kubernetes \(v[0-9.]*\).*/\1/p' "$here/go.mod" | head -1)
minor=$(echo "$version" | cut -d. -f2)
# A new tool in go.mod makes a new folder; with Go's own build cache that is a minute of linking.
key=$( { cat "$here/go.mod" "$here/go.sum" "$0"; go env GOVERSION GOOS GOARCH; } | sha256sum | cut -c1-16)
out="${SILKROLL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/silkroll}/cluster-$version-$key"
mkdir -p "$out"

package() {
  case $1 in
    etcd) echo go.etcd.io/etcd/server/v3 ;;
    *) echo "k8s.io/kubernetes/cmd/$1" ;;
  esac
}

for tool in "$@"; do
  [ -x "$out/$tool" ] && continue
  if [ -n "${KUBEBUILDER_ASSETS:-}" ] && [ -x "$KUBEBUILDER_ASSETS/$tool" ]; then
    ln -sf "$KUBEBUILDER_ASSETS/$tool" "$out/$tool"
    continue
  fi
  echo "building $tool ($version; once, cached in $out; up to two minutes, kube-apiserver seven, on two cores)" >&2
  (cd "$here" && CGO_ENABLED=0 go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$version -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=$minor" \
    -o "$out/$tool.part" "$(package "$tool")")
  mv "$out/$tool.part" "$out/$tool"
done
echo "$out"
