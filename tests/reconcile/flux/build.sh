#!/bin/sh
# Builds a program around the apply engine of Flux, from its Go module, once, and prints the folder that it is in.
# The controllers themselves cannot be built from published modules.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

if ! command -v go >/dev/null 2>&1; then
  echo "The tests of Flux's engine build it from its Go module and there is no 'go' on the PATH." >&2
  echo "Install Go 1.26 or newer, then run this again:" >&2
  echo "  apt-get install golang-1.26 && export PATH=\"\$PATH:/usr/lib/go-1.26/bin\"   (or see https://go.dev/doc/install)" >&2
  exit 1
fi
# Its module asks for no later one and does not build with an earlier one; go fetches it.
export GOTOOLCHAIN=go1.27.3

version=$(sed -n 's/^.*github.com\/fluxcd\/pkg\/ssa \(v[0-9.]*\).*/\1/p' "$here/go.mod" | head -1)
key=$( { cat "$here/go.mod" "$here/go.sum" "$here/main.go" "$0"; go env GOVERSION GOOS GOARCH; } | sha256sum | cut -c1-16)
out="${SILKROLL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/silkroll}/flux-$version-$key"
mkdir -p "$out"
cd "$here"
if [ ! -x "$out/flux-apply" ]; then
  echo "building the apply engine of Flux ($version; once, cached in $out; 2 minutes on two cores)" >&2
  CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w" -o "$out/flux-apply.part" .
  mv "$out/flux-apply.part" "$out/flux-apply"
fi
echo "$out"
