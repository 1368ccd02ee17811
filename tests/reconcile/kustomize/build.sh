#!/bin/sh
# Builds kustomize from its Go module, once, and prints the folder that it is in.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

if ! command -v go >/dev/null 2>&1; then
  echo "kustomize is built from its Go module and there is no 'go' on the PATH." >&2
  echo "Install Go 1.26 or newer, then run this again:" >&2
  echo "  apt-get install golang-1.26 && export PATH=\"\$PATH:/usr/lib/go-1.26/bin\"   (or see https://go.dev/doc/install)" >&2
  exit 1
fi

version=$(sed -n 's/^.*sigs.k8s.io\/kustomize\/kustomize\/v5 \(v[0-9.]*\).*/\1/p' "$here/go.mod" | head -1)
key=$( { cat "$here/go.mod" "$here/go.sum" "$0"; go env GOVERSION GOOS GOARCH; } | sha256sum | cut -c1-16)
out="${SILKROLL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/silkroll}/kustomize-$version-$key"
mkdir -p "$out"
cd "$here"
if [ ! -x "$out/kustomize" ]; then
  echo "building kustomize ($version; once, cached in $out; a minute on two cores)" >&2
  CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w" -o "$out/kustomize.part" sigs.k8s.io/kustomize/kustomize/v5
  mv "$out/kustomize.part" "$out/kustomize"
fi
echo "$out"
