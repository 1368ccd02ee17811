#!/bin/sh
# Builds the helper for one architecture, amd64 or arm64, or for both: build.sh [amd64|arm64]…, into src/deregister/helper or
# the folder that HELPER_OUT names. The same bytes come out of any folder, for each build of silkroll must name the same
# ConfigMap: so compiler and C library are these and no others, Debian 12's. Ends with 3 where they are others.
set -eu
wanted_rustc='1.96.0'
wanted_musl='1.2.3-1'

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
out=${HELPER_OUT:-$here/../src/deregister/helper}
rustc=${HELPER_RUSTC:-/usr/bin/rustc}
cargo=${HELPER_CARGO:-/usr/bin/cargo}
[ "$#" -gt 0 ] || set -- amd64 arm64

missing() {
  cat >&2 <<EOF
helper/build.sh: $1
The helper is built with Debian 12's packages. On Debian 12 this installs what it needs:
  sudo dpkg --add-architecture arm64 && sudo apt-get update
  sudo apt-get install rustc-web cargo-web musl-dev libstd-rust-web-dev binutils \\
    libstd-rust-web-dev:arm64 musl-dev:arm64 binutils-aarch64-linux-gnu
EOF
  exit 1
}

other() { # WHAT IS THERE, WHAT IS WANTED
  echo "helper/build.sh: here is $1; the committed helper was built with $2." >&2
  echo "To go on with the new one: name it at the top of helper/build.sh, then make helper manifests, and commit all of it." >&2
  exit 3
}

for program in "$rustc" "$cargo"; do
  [ -x "$program" ] || missing "$program is not there."
done
version=$("$rustc" --version)
case $version in "rustc $wanted_rustc "*) ;; *) other "$version" "rustc $wanted_rustc" ;; esac

build() { # ARCHITECTURE, as Debian and as the compiler call it
  target=$2-unknown-linux-gnu
  # The gnu target's core and alloc, which Debian has, linked against musl's C library: neither needs the other's.
  musl=/usr/lib/$2-linux-musl
  linker=$2-linux-gnu-ld
  [ -d "$("$rustc" --print sysroot)/lib/rustlib/$target" ] || missing "libstd-rust-web-dev:$1 is not there."
  [ -e "$musl/libc.a" ] || missing "musl-dev:$1 is not there."
  command -v "$linker" >/dev/null 2>&1 || missing "$linker is not there."
  found=$(dpkg-query -W -f '${Version}' "musl-dev:$1" 2>/dev/null) || found=unknown
  [ "$found" = "$wanted_musl" ] || other "musl-dev:$1 $found" "musl-dev $wanted_musl"

  # Without unwinding nothing calls what alloc still names of it.
  flags="-Ctarget-feature=+crt-static -Crelocation-model=static -Cforce-unwind-tables=no"
  flags="$flags -Clinker=$linker -Clinker-flavor=ld -Lnative=$musl"
  for argument in "$musl/crt1.o" "$musl/crti.o" "$musl/crtn.o" -lc -nostdlib --build-id=none -znoseparate-code -znorelro \
    --undefined=abort --defsym=_Unwind_Resume=abort --defsym=rust_eh_personality=abort \
    --no-eh-frame-hdr -T "$here/discard.ld"; do
    flags="$flags -Clink-arg=$argument"
  done
  work=$(mktemp -d)
  # The path of the sources shows in no byte, nor does that of the registry.
  flags="$flags --remap-path-prefix=$here=/helper --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo --remap-path-prefix=$work=/work"
  if ! (cd "$here" && env -u CARGO_ENCODED_RUSTFLAGS -u CARGO_BUILD_TARGET -u RUSTC_WRAPPER RUSTC="$rustc" RUSTFLAGS="$flags" CARGO_INCREMENTAL=0 \
    "$cargo" build --quiet --locked --release --bin hook --target "$target" --target-dir "$work"); then
    rm -rf "$work"
    exit 1
  fi
  mkdir -p "$out"
  install -m 755 "$work/$target/release/hook" "$out/hook-$1"
  rm -rf "$work"
  echo "$out/hook-$1: $(wc -c <"$out/hook-$1") bytes"
}

for architecture; do
  case $architecture in
    amd64) build amd64 x86_64 ;;
    arm64) build arm64 aarch64 ;;
    *) echo "helper/build.sh: there is no architecture '$architecture'; there are amd64 and arm64" >&2; exit 2 ;;
  esac
done
