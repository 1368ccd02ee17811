#!/bin/sh
# Builds Helm from its Go modules, once, in the versions 3 and 4 (only those named: `build.sh 3`), and prints the folder
# that they are in, as helm3 and helm4.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || set -- 3 4

if ! command -v go >/dev/null 2>&1; then
  echo "The chart is rendered and tested with Helm, which is built from its Go module, and there is no 'go' on the PATH." >&2
  echo "Install Go 1.26 or newer, then run this again:" >&2
  echo "  apt-get install golang-1.26 && export PATH=\"\$PATH:/usr/lib/go-1.26/bin\"   (or see https://go.dev/doc/install)" >&2
  exit 1
fi

version() { sed -n "s/^.*$1 \(v[0-9.]*\).*/\1/p" "$2/go.mod" | head -1; }

key=$( { cat "$here"/v3/go.mod "$here"/v3/go.sum "$here"/v4/go.mod "$here"/v4/go.sum "$0"; go env GOVERSION GOOS GOARCH; } |
  sha256sum | cut -c1-16)
out="${SILKROLL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/silkroll}/helm-$key"
mkdir -p "$out"
for major in "$@"; do
  [ -x "$out/helm$major" ] && continue
  module=$here/v$major
  helm=$(version "helm.sh\/helm\/v$major" "$module")
  # As Helm's own Makefile has it: for which Kubernetes a chart is rendered that no cluster is asked about.
  kubernetes=$(version 'k8s.io\/client-go' "$module" | cut -d. -f2)
  flags="-s -w -X helm.sh/helm/v$major/internal/version.version=$helm"
  if [ "$major" = 3 ]; then
    for package in chartutil lint/rules; do
      at=helm.sh/helm/v3/pkg/$package
      flags="$flags -X $at.k8sVersionMajor=1 -X $at.k8sVersionMinor=$kubernetes"
    done
  fi
  echo "building Helm $helm (once, cached in $out; 3 minutes on two cores)" >&2
  (cd "$module" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "$flags" \
    -o "$out/helm$major.part" "helm.sh/helm/v$major/cmd/helm")
  mv "$out/helm$major.part" "$out/helm$major"
done
echo "$out"
