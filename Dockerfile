# syntax=docker/dockerfile:1
# One static binary on nothing. Multi-platform: docker buildx build --platform linux/amd64,linux/arm64 .
#
# glibc, linked statically: musl doubled the CPU a request costs. The compiler runs on the build
# machine's own architecture and crosses to the other; only the binary is of the target's.
#
# By digest, so that the same compiler and C library are built with each time; Dependabot raises tag and digest together.
FROM --platform=$BUILDPLATFORM docker.io/library/rust:1.95.0-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1 AS build
ARG TARGETARCH
WORKDIR /src
ENV CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=x86_64-linux-gnu-gcc \
    # jemalloc is built for one size of pages, at least that of the kernel: on arm64 some have 64 KiB.
    AARCH64_UNKNOWN_LINUX_GNU_JEMALLOC_SYS_WITH_LG_PAGE=16 \
    RUSTFLAGS="-C target-feature=+crt-static"
RUN set -eu; \
    case "$TARGETARCH" in \
      amd64) triple=x86_64-unknown-linux-gnu gcc=gcc-x86-64-linux-gnu libc=libc6-dev-amd64-cross ;; \
      arm64) triple=aarch64-unknown-linux-gnu gcc=gcc-aarch64-linux-gnu libc=libc6-dev-arm64-cross ;; \
      *) echo "no build for TARGETARCH=$TARGETARCH: use amd64 or arm64" >&2; exit 1 ;; \
    esac; \
    echo "$triple" > /triple; \
    rustup target add "$triple"; \
    apt-get update; \
    # On its own architecture the compiler is there already, under the same name.
    [ "$(dpkg --print-architecture)" = "$TARGETARCH" ] || apt-get install -y --no-install-recommends "$gcc" "$libc"; \
    rm -rf /var/lib/apt/lists/*

# The dependencies alone: this layer is built again only when they change. Benches that Cargo.toml
# lists by name must exist for cargo to read it, and so must the tests' crate.
COPY Cargo.toml Cargo.lock ./
COPY testkit/Cargo.toml testkit/
COPY .cargo .cargo
RUN mkdir src benches testkit/src \
    && printf '//! Nothing yet.\nfn main() {}\n' > src/main.rs \
    && echo '//! Nothing yet.' | tee testkit/src/lib.rs > src/lib.rs \
    && sed -n '/^\[\[bench\]\]/,/^$/s/^name = "\(.*\)"/\1/p' Cargo.toml \
       | while read -r bench; do echo 'fn main() {}' > "benches/$bench.rs"; done \
    && cargo build --release --locked --target "$(cat /triple)" \
    && rm -r src benches testkit

COPY . .
# Newer than the stand-ins of the layer before, whatever the files' dates say.
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked --bin silkroll --target "$(cat /triple)" \
    && cp "target/$(cat /triple)/release/silkroll" /silkroll \
    # A binary that asks for an interpreter would not start on scratch.
    && ! readelf --program-headers /silkroll | grep -q INTERP

FROM scratch AS final
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="silkroll" \
      org.opencontainers.image.description="A Kubernetes admission webhook that makes rollouts lossless" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.source="$SOURCE"
COPY --from=build /silkroll /silkroll
# A number, for runAsNonRoot cannot be checked against a name.
USER 65532:65532
EXPOSE 8443 8080
ENTRYPOINT ["/silkroll"]
CMD ["serve"]
