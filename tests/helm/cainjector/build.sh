#!/bin/sh
# Builds cert-manager's CA injector from its Go module, once, and prints the folder that it is in, with the CRDs that it reads.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

if ! command -v go >/dev/null 2>&1; then
  echo "cert-manager's CA injector is built from its Go module, and there is no 'go' on the PATH." >&2
  echo "Install Go 1.26 or newer, then run this again:" >&2
  echo "  apt-get install golang-1.26 && export PATH=\"\$PATH:/usr/lib/go-1.26/bin\"   (or see https://go.dev/doc/install)" >&2
  exit 1
fi

version=$(sed -n 's/^.*github.com\/cert-manager\/cert-manager \(v[0-9.]*\).*/\1/p' "$here/go.mod" | head -1)
key=$( { cat "$here/go.mod" "$here/go.sum" "$here/main.go" "$0"; go env GOVERSION GOOS GOARCH; } | sha256sum | cut -c1-16)
out="${SILKROLL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/silkroll}/cainjector-$version-$key"
mkdir -p "$out"
cd "$here"
if [ ! -d "$out/crds" ]; then
  # A module that is not downloaded yet has no folder.
  go mod download github.com/cert-manager/cert-manager
  cp -R "$(go list -m -f '{{.Dir}}' github.com/cert-manager/cert-manager)/deploy/crds" "$out/crds.part"
  chmod -R u+w "$out/crds.part"
  mv "$out/crds.part" "$out/crds"
fi
if [ ! -x "$out/cainjector" ]; then
  echo "building cert-manager's CA injector ($version; once, cached in $out; 4 minutes on two cores)" >&2
  CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w" -o "$out/cainjector.part" .
  mv "$out/cainjector.part" "$out/cainjector"
fi
echo "$out"
