#!/bin/sh
# Builds the judge of tests/yaml_differential.rs, once, and prints the program's path.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

if ! command -v go >/dev/null 2>&1; then
  echo "This test compares with the Go modules that kubectl reads YAML with, and there is no 'go' on the PATH." >&2
  echo "Install Go 1.26 or newer, then run this again:" >&2
  echo "  apt-get install golang-1.26 && export PATH=\"\$PATH:/usr/lib/go-1.26/bin\"   (or see https://go.dev/doc/install)" >&2
  exit 1
fi

key=$( { cat "$here/go.mod" "$here/go.sum" "$here/main.go" "$0"; go env GOVERSION GOOS GOARCH; } | sha256sum | cut -c1-16)
out="${SILKROLL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/silkroll}/yaml-$key"
mkdir -p "$out"
if [ ! -x "$out/judge" ]; then
  (cd "$here" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w" -o "$out/judge.$$" .)
  mv "$out/judge.$$" "$out/judge"
fi
echo "$out/judge"
