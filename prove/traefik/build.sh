#!/bin/sh
# Builds Traefik from its Go module, once, and prints the folder it is in.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

if ! command -v go >/dev/null 2>&1; then
  echo "The proof builds Traefik from its Go module and there is no 'go' on the PATH." >&2
  echo "Install Go 1.26 or newer, then run this again:" >&2
  echo "  apt-get install golang-1.26 && export PATH=\"\$PATH:/usr/lib/go-1.26/bin\"   (or see https://go.dev/doc/install)" >&2
  exit 1
fi

version=$(sed -n 's/^.*github.com\/traefik\/traefik\/v3 \(v[0-9.]*\).*/\1/p' "$here/go.mod" | head -1)
key=$( { cat "$here/go.mod" "$here/go.sum" "$0"; go env GOVERSION GOOS GOARCH; } | sha256sum | cut -c1-16)
out="${SILKROLL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/silkroll}/traefik-$version-$key"
mkdir -p "$out"
if [ ! -x "$out/traefik" ]; then
  echo "building traefik ($version; once, cached in $out; 9 minutes on two cores)" >&2
  (cd "$here" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w" \
    -o "$out/traefik.part" github.com/traefik/traefik/v3/cmd/traefik)
  mv "$out/traefik.part" "$out/traefik"
fi
echo "$out"
