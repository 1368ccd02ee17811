#!/bin/sh
# Builds Prometheus from its Go module, once: prometheus and promtool, without the ways to find targets in clouds. Prints the
# folder that they are in.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

if ! command -v go >/dev/null 2>&1; then
  echo "Metrics and alerts are tested with Prometheus, which is built from its Go module, and there is no 'go' on the PATH." >&2
  echo "Install Go 1.26 or newer, then run this again:" >&2
  echo "  apt-get install golang-1.26 && export PATH=\"\$PATH:/usr/lib/go-1.26/bin\"   (or see https://go.dev/doc/install)" >&2
  exit 1
fi

version=$(sed -n 's/^.*github.com\/prometheus\/prometheus \(v[0-9.]*\).*/\1/p' "$here/go.mod" | head -1)
key=$( { cat "$here/go.mod" "$here/go.sum" "$0"; go env GOVERSION GOOS GOARCH; } | sha256sum | cut -c1-16)
out="${SILKROLL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/silkroll}/prometheus-$version-$key"
mkdir -p "$out"
cd "$here"
for program in promtool prometheus; do
  if [ ! -x "$out/$program" ]; then
    echo "building $program $version (once, cached in $out; 5 minutes for both on two cores)" >&2
    CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags remove_all_sd -ldflags "-s -w" \
      -o "$out/$program.part" "github.com/prometheus/prometheus/cmd/$program"
    mv "$out/$program.part" "$out/$program"
  fi
done
echo "$out"
