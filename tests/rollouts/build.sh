#!/bin/sh
# Builds Argo Rollouts from its Go module, once: its controller and its plugin for kubectl. Prints the folder that they are in,
# with its CRDs.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

if ! command -v go >/dev/null 2>&1; then
  echo "The tests of Argo Rollouts build it from its Go module and there is no 'go' on the PATH." >&2
  echo "Install Go 1.26 or newer, then run this again:" >&2
  echo "  apt-get install golang-1.26 && export PATH=\"\$PATH:/usr/lib/go-1.26/bin\"   (or see https://go.dev/doc/install)" >&2
  exit 1
fi
# Its module asks for no later one and does not build with an earlier one; go fetches it.
export GOTOOLCHAIN=go1.27.3

version=$(sed -n 's/^.*github.com\/argoproj\/argo-rollouts \(v[0-9.]*\).*/\1/p' "$here/go.mod" | head -1)
key=$( { cat "$here/go.mod" "$here/go.sum" "$0"; go env GOVERSION GOOS GOARCH; } | sha256sum | cut -c1-16)
out="${SILKROLL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/silkroll}/rollouts-$version-$key"
mkdir -p "$out"
cd "$here"
if [ ! -d "$out/crds" ]; then
  # A module that is not downloaded yet has no folder.
  go mod download github.com/argoproj/argo-rollouts
  cp -R "$(go list -m -f '{{.Dir}}' github.com/argoproj/argo-rollouts)/manifests/crds" "$out/crds.part"
  chmod -R u+w "$out/crds.part"
  mv "$out/crds.part" "$out/crds"
fi
for program in rollouts-controller kubectl-argo-rollouts; do
  if [ ! -x "$out/$program" ]; then
    echo "building $program of Argo Rollouts ($version; once, cached in $out; 9 minutes for both on two cores)" >&2
    CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w" \
      -o "$out/$program.part" "github.com/argoproj/argo-rollouts/cmd/$program"
    mv "$out/$program.part" "$out/$program"
  fi
done
echo "$out"
