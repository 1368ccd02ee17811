#!/bin/sh
# Builds Argo CD from its Go module, once: the one program that all its parts are. Prints the folder that it is in, with its
# CRDs and the script that the repo-server calls.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

if ! command -v go >/dev/null 2>&1; then
  echo "The tests of Argo CD build it from its Go module and there is no 'go' on the PATH." >&2
  echo "Install Go 1.26 or newer, then run this again:" >&2
  echo "  apt-get install golang-1.26 && export PATH=\"\$PATH:/usr/lib/go-1.26/bin\"   (or see https://go.dev/doc/install)" >&2
  exit 1
fi
# Its module asks for no later one and does not build with an earlier one; go fetches it.
export GOTOOLCHAIN=go1.27.3

module=github.com/argoproj/argo-cd/v3
version=$(sed -n 's/^.*github.com\/argoproj\/argo-cd\/v3 \(v[0-9.]*\).*/\1/p' "$here/go.mod" | head -1)
key=$( { cat "$here/go.mod" "$here/go.sum" "$0"; go env GOVERSION GOOS GOARCH; } | sha256sum | cut -c1-16)
out="${SILKROLL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/silkroll}/argocd-$version-$key"
mkdir -p "$out"
cd "$here"
if [ ! -d "$out/crds" ]; then
  # A module that is not downloaded yet has no folder.
  go mod download "$module"
  source=$(go list -m -f '{{.Dir}}' "$module")
  # A module's files are not executable, and without this one every Application says "permission denied".
  install -m 755 "$source/hack/git-verify-wrapper.sh" "$out/"
  cp -R "$source/manifests/crds" "$out/crds.part"
  chmod -R u+w "$out/crds.part"
  mv "$out/crds.part" "$out/crds"
fi
if [ ! -x "$out/argocd" ]; then
  echo "building Argo CD ($version; once, cached in $out; 10 minutes on two cores)" >&2
  CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X $module/common.version=${version#v}" \
    -o "$out/argocd.part" "$module/cmd"
  mv "$out/argocd.part" "$out/argocd"
fi
echo "$out"
