# The commands of this project; `make` lists them. Times are those of a machine with two cores, the
# first in a fresh clone, the second when nothing is left to build.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.SILENT:
# What a target needs is asked before anything is built for it; cargo uses all processors anyway.
.NOTPARALLEL:
.PHONY: help demo test test-page test-registries test-rollouts test-helm test-metrics test-gitops lint deny advisories workflows-check static reproducible chart release-check \
  helper helper-check bench bench-pods soak attack fuzz cluster manifests prove prove-full \
  prove-needs prove-programs prove-docs prove-node prove-node-needs prove-image prove-cluster prove-cluster-check \
  prove-start prove-refused

CARGO ?= cargo
# Of the proof: requests a second for each service, and which scenarios (all, if none is named).
RATE ?= 200
SCENARIOS ?=
# How kube-proxy leads connections to pods there: nftables or iptables.
PROXY_MODE ?= nftables
HOST = $$(rustc -vV | sed -n 's/^host: //p')
# Where cargo builds. It is asked: CARGO_TARGET_DIR or its configuration may name another folder than `target`. What the
# proof has seen goes to `target` all the same, for docs/ names the files.
built = $$($(CARGO) metadata --no-deps --format-version 1 --manifest-path $(1) \
  | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
STATIC = $(call built,Cargo.toml)/static
# The static programs of the proof.
PROGRAMS = $(call built,prove/Cargo.toml)/$(HOST)/release
export CARGO_TERM_PROGRESS_WHEN ?= never
# A plain `su` leaves these out; .ci/needs counts what is there.
export PATH := $(PATH):/usr/sbin:/sbin

help:
	echo 'Silkroll'
	echo
	echo '  make demo            see it work: the real webhook on loopback, four manifests, no cluster (3 min, then 5 s)'
	echo '  make test            every test, those on a real Kubernetes control plane included         (30 min, then 13 min)'
	echo "  make test-page       the dry run's page in a real browser, Debian's Chromium; cleans up        (5 min, then 1 min)"
	echo '  make test-registries the hook on real registries: Nacos, Eureka, Consul, …; needs root     (10 min, then 4 min)'
	echo '  make test-rollouts   Rollouts with the real controller of Argo Rollouts                    (22 min, then 4 min)'
	echo '  make test-helm       the Helm chart with the real Helm 3 and 4 on a real API server         (20 min, then 2 min)'
	echo '  make test-gitops     the same from Git again and again: Argo CD, Flux, Helm, kustomize; root (40 min, then 4 min)'
	echo '  make test-metrics    metrics, alerts and the dashboard with the real Prometheus              (25 min, then 1 min)'
	echo '  make lint            formatting, clippy, shellcheck, documentation, deny, workflows-check  (3 min, then 20 s)'
	echo '  make deny            that each dependency has a license and a source that deny.toml allows (20 s, then 5 s)'
	echo '  make advisories      that no dependency is known to be vulnerable; asks RustSec on GitHub  (20 s, then 10 s)'
	echo '  make workflows-check that .github/workflows are sound, and the scripts in them             (15 s, then 1 s)'
	echo '  make static          the binary of the image, and that nothing has to be there to start it (5 min, then 1 s)'
	echo '  make reproducible    build the static binary and the chart twice, elsewhere: the same bytes (12 min)'
	echo '  make chart           the chart as an archive, as a release has it                          (4 min, then 1 s)'
	echo '  make release-check TAG=v…   that the files are ready for a release of that version         (1 s)'
	echo '  make helper          build the hook for images without a shell, for amd64 and arm64        (1 min, then 20 s)'
	echo '  make helper-check    the same, and that it is what is committed                            (1 min, then 20 s)'
	echo '  make prove           roll real services on a real node and count every lost request; root  (50 min, then 15 min)'
	echo '  make prove-full      the same with 100 rollouts of each service                           (a night)'
	echo "                       ROLLOUTS=2, RATE=100 and SCENARIOS='service drain' make less of each proof, or more;"
	echo "                       PROXY_MODE=iptables: with kube-proxy's other mode"
	echo '  make prove-docs      take what the last make prove has seen into docs/proof.md             (1 s)'
	echo "  make prove-cluster CONTEXT=NAME   the same in a cluster of your kubeconfig; cleans up after itself (14 min, then 12 min)"
	echo '  make prove-image     the images for it, as an archive for kind, k3d, docker or ctr         (2 min, then 2 s)'
	echo "  make prove-node COMMAND='…'   a real node with Silkroll for one command, or for a shell; root (26 min, then 30 s)"
	echo '  make prove-start           that no injection keeps a container from starting, on such a node; root (30 min, then 5 min)'
	echo "  make prove-refused         that kube-proxy's nftables mode refuses a connection now and then by itself; root (10 min)"
	echo '  make prove-cluster-check   that prove-cluster works, on such a node; root                  (30 min, then 3 min)'
	echo '  make bench           what an answer costs, beside the cost of skipping its input           (4 min)'
	echo '  make bench-pods      what a Pod takes at the API server with level: pod switched on, and without   (18 min, then 1 min)'
	echo '  make soak            rotations, deletions, deaths, outages and upgrades at 50 admissions a second  (18 min, then 3 h)'
	echo '  make attack          what any pod can do to the port: memory, and good reviews meanwhile   (13 min, then 5 min)'
	echo '  make cluster         only build the control plane for the tests: etcd, kube-apiserver, …   (10 min, then 1 s)'
	echo "  make manifests       render manifests/install.yaml from the chart                          (4 min, then 1 s)"
	echo
	echo 'Rust (rustup.rs) is all that the demo needs; the tests need Go, too. Where something is missing, the'
	echo 'target says which command installs it; Debian packages it installs itself where it runs as root.'

demo:
	.ci/needs build
	echo "Building silkroll and the demo (3 minutes in a fresh clone, else seconds), then running it: the webhook"
	echo "listens on 127.0.0.1 and stops at the end. Nothing is installed, no cluster is touched."
	$(CARGO) build --locked --bin silkroll --example demo
	$(CARGO) run --quiet --locked --example demo

test:
	.ci/needs build test
	echo "1/2 The control plane for the tests (10 minutes once, cached outside this folder; then a second)."
	SILKROLL_CLUSTER_BIN="$${SILKROLL_CLUSTER_BIN:-$$(tests/cluster/build.sh)}"
	export SILKROLL_CLUSTER_BIN
	echo "    $$SILKROLL_CLUSTER_BIN"
	echo "2/2 All tests (20 minutes in a fresh clone, then 13). They listen on 127.0.0.1 and stop what they start."
	$(CARGO) test --locked --workspace --no-run
	# The hook's tests mostly wait, for the hook waits: they run beside the others, and are shown after them.
	log=$$(mktemp)
	trap 'rm -f "$$log"' EXIT
	$(CARGO) test --locked --workspace --test script >"$$log" 2>&1 &
	hook=$$!
	others=$$(for file in tests/*.rs tests/*/main.rs; do
	  name=$${file%/main.rs}; name=$$(basename "$$name" .rs)
	  [[ "$$name" =~ ^(script|laws)$$ ]] || echo "--test $$name"
	done)
	failed=0
	# As many lives as show what is rare: six times as long without optimization.
	LAWS_CASES="$${LAWS_CASES:-20000}" $(CARGO) test --locked --config profile.dev.package.silkroll.opt-level=2 \
	  --test laws || failed=1
	$(CARGO) test --locked --workspace --no-fail-fast --lib --bins --examples $$others || failed=1
	$(CARGO) test --locked --workspace --doc || failed=1
	$(CARGO) test --locked --no-fail-fast --manifest-path prove/Cargo.toml || failed=1
	$(CARGO) test --locked --manifest-path helper/Cargo.toml --lib || failed=1
	wait "$$hook" || failed=1
	cat "$$log"
	exit "$$failed"

# A network and process namespace of their own: some registries listen on every address, and `signal` looks at every
# process. Whatever runs in there ends with the shell that is its first process. What they write is in memory: a database
# that waits for a busy disk is taken for dead.
# PICTURE=docs/preview.png makes the picture of the page, too.
test-page: export PICTURE ?=
test-page:
	.ci/needs build page
	echo "Building silkroll and what drives the browser (4 minutes in a fresh clone, else seconds), then the page in a headless"
	echo "Chromium (1 minute). All listens on 127.0.0.1, and ends with its test."
	$(CARGO) build --locked --bin silkroll
	SILKROLL="$(call built,Cargo.toml)/debug/silkroll"
	[ -z "$$PICTURE" ] || PICTURE=$$(realpath -m "$$PICTURE")
	export SILKROLL PICTURE
	$(CARGO) test --locked --manifest-path browser/Cargo.toml -- --test-threads 2

test-registries:
	.ci/needs build registries
	if [ "$$(id -u)" != 0 ]; then
	  echo "make test-registries makes a network and a process namespace and needs root for that: sudo -E make test-registries" >&2
	  exit 1
	fi
	echo "1/2 Registries and clients, into the cache (10 minutes once: 500 MB from Maven Central, Consul built from its Go"
	echo "    module; then a second)."
	SILKROLL_REGISTRIES="$$(tests/registries/prepare.sh nacos2 nacos3 client client1 eureka spring dubbo consul)"
	export SILKROLL_REGISTRIES
	echo "    $$SILKROLL_REGISTRIES"
	echo "2/2 The hook on real Nacos, Eureka, Spring, Consul, Dubbo, nginx, gunicorn, uWSGI and php-fpm (4 minutes, two at a"
	echo "    time, 2 GB of memory). Nothing listens outside their own network namespace; all stop at the end."
	$(CARGO) test --locked --test registries --no-run
	# As many threads as tests: they mostly wait, for each other too.
	timeout --foreground 1200 unshare --net --mount --pid --fork --kill-child --mount-proc sh -c \
	  'ip link set lo up && mount -t tmpfs tmpfs /run && TMPDIR=/run "$$@"; exit' sh \
	  $(CARGO) test --locked --offline --test registries -- --ignored --test-threads 16 --nocapture

test-rollouts:
	.ci/needs build test
	echo "1/2 The control plane and Argo Rollouts (10 and 9 minutes once, cached outside this folder; then a second)."
	SILKROLL_CLUSTER_BIN="$${SILKROLL_CLUSTER_BIN:-$$(tests/cluster/build.sh)}"
	SILKROLL_ROLLOUTS="$${SILKROLL_ROLLOUTS:-$$(tests/rollouts/build.sh)}"
	export SILKROLL_CLUSTER_BIN SILKROLL_ROLLOUTS
	echo "    $$SILKROLL_ROLLOUTS"
	echo "2/2 Rollouts on it (3 minutes). All listens on 127.0.0.1 and stops at the end."
	$(CARGO) test --locked --test rollouts -- --ignored --test-threads 2

test-helm:
	.ci/needs build test
	echo "1/2 The control plane, Helm 3 and 4, and cert-manager's CA injector (10, 6 and 4 minutes once, cached outside this folder; then a second)."
	SILKROLL_CLUSTER_BIN="$${SILKROLL_CLUSTER_BIN:-$$(tests/cluster/build.sh etcd kube-apiserver kubectl kube-controller-manager kube-scheduler)}"
	SILKROLL_HELM="$${SILKROLL_HELM:-$$(tests/helm/build.sh)}"
	SILKROLL_CAINJECTOR="$${SILKROLL_CAINJECTOR:-$$(tests/helm/cainjector/build.sh)}"
	export SILKROLL_CLUSTER_BIN SILKROLL_HELM SILKROLL_CAINJECTOR
	echo "    $$SILKROLL_HELM"
	echo "2/2 The chart (2 minutes). All listens on 127.0.0.1 and stops at the end."
	$(CARGO) test --locked --test chart -- --ignored --test-threads 2

test-metrics:
	.ci/needs build test
	echo "1/2 The control plane, Helm 4 and Prometheus (10, 3 and 8 minutes once, cached outside this folder; then a second)."
	SILKROLL_CLUSTER_BIN="$${SILKROLL_CLUSTER_BIN:-$$(tests/cluster/build.sh)}"
	SILKROLL_HELM="$${SILKROLL_HELM:-$$(tests/helm/build.sh 4)}"
	SILKROLL_PROMETHEUS="$${SILKROLL_PROMETHEUS:-$$(tests/metrics/build.sh)}"
	export SILKROLL_CLUSTER_BIN SILKROLL_HELM SILKROLL_PROMETHEUS
	echo "2/2 Alerts by promtool; then Prometheus scrapes a Silkroll at work. All listens on 127.0.0.1 and stops at the end."
	$(CARGO) test --locked --test metrics -- --ignored --test-threads 1

# A network namespace of its own: Argo CD's controller listens on every address.
test-gitops:
	.ci/needs build test gitops
	if [ "$$(id -u)" != 0 ]; then
	  echo "make test-gitops makes a network and a process namespace and needs root for that: sudo -E make test-gitops" >&2
	  exit 1
	fi
	echo "1/2 The control plane, Helm 3 and 4, Argo CD, the apply engine of Flux, and kustomize (40 minutes once and 6 GB of"
	echo "    Go's build cache; cached outside this folder; then a second)."
	SILKROLL_CLUSTER_BIN="$${SILKROLL_CLUSTER_BIN:-$$(tests/cluster/build.sh)}"
	SILKROLL_HELM="$${SILKROLL_HELM:-$$(tests/helm/build.sh)}"
	SILKROLL_ARGOCD="$${SILKROLL_ARGOCD:-$$(tests/reconcile/argocd/build.sh)}"
	SILKROLL_FLUX="$${SILKROLL_FLUX:-$$(tests/reconcile/flux/build.sh)}"
	SILKROLL_KUSTOMIZE="$${SILKROLL_KUSTOMIZE:-$$(tests/reconcile/kustomize/build.sh)}"
	export SILKROLL_CLUSTER_BIN SILKROLL_HELM SILKROLL_ARGOCD SILKROLL_FLUX SILKROLL_KUSTOMIZE
	printf '    %s\n' "$$SILKROLL_HELM" "$$SILKROLL_ARGOCD" "$$SILKROLL_FLUX" "$$SILKROLL_KUSTOMIZE"
	echo "2/2 20 reconciles by each of them (3 minutes). Nothing listens outside their own network namespace; all stop at the end."
	$(CARGO) test --locked --test reconcile --no-run
	timeout --foreground 1800 unshare --net --mount --pid --fork --kill-child --mount-proc sh -c \
	  'ip link set lo up && "$$@"; exit' sh \
	  $(CARGO) test --locked --offline --test reconcile -- --ignored --test-threads 3 --nocapture

lint: deny workflows-check
	.ci/needs build lint
	echo "Formatting, clippy, shellcheck and documentation; warnings fail (2 minutes in a fresh clone, then seconds)."
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	# Not all targets: a test harness and the helper's program would both bring what follows a panic.
	$(CARGO) fmt --manifest-path helper/Cargo.toml --check
	$(CARGO) clippy --locked --manifest-path helper/Cargo.toml --lib --bins --tests -- -D warnings
	$(CARGO) fmt --manifest-path prove/Cargo.toml --check
	$(CARGO) clippy --locked --manifest-path prove/Cargo.toml --all-targets -- -D warnings
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) fmt --manifest-path browser/Cargo.toml --check
	find . -name target -prune -o -name '*.sh' -print | xargs shellcheck .ci/*
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items --lib --manifest-path helper/Cargo.toml

# Each is a workspace with a lock file of its own.
WORKSPACES = Cargo.toml prove/Cargo.toml fuzz/Cargo.toml helper/Cargo.toml browser/Cargo.toml

deny:
	.ci/needs build deny
	echo "Licenses and sources of what each workspace depends on, by deny.toml (20 seconds once, then 5)."
	deny="$$(tests/lint/build.sh cargo-deny)/cargo-deny"
	for workspace in $(WORKSPACES); do
	  "$$deny" --locked --workspace --manifest-path "$$workspace" --config deny.toml check licenses bans sources ||
	    { echo "$$workspace: refused, see above; what is allowed stands in deny.toml, each exception with its reason" >&2; exit 1; }
	done

# Not a part of lint: the list changes without a commit, and it is on GitHub, which not every machine reaches.
advisories:
	.ci/needs build deny
	echo "What is known of the dependencies' versions: RustSec's advisories, and yanked versions (10 seconds)."
	deny="$$(tests/lint/build.sh cargo-deny)/cargo-deny"
	for workspace in $(WORKSPACES); do
	  "$$deny" --locked --workspace --manifest-path "$$workspace" --config deny.toml check advisories && continue
	  echo "$$workspace: an advisory, or NOT CHECKED; see above. For an advisory: cargo update -p CRATE, or an exception with its reason" >&2
	  echo "in deny.toml. Where https://github.com/RustSec/advisory-db cannot be fetched, nothing was looked at: run this where it can." >&2
	  echo "The workflow 'advisories' does each day, and no release is made without it." >&2
	  exit 1
	done

workflows-check:
	.ci/needs build lint
	echo "The workflows in .github, with the shell scripts in them (15 seconds once, to build actionlint, then 1)."
	actionlint="$$(tests/lint/build.sh actionlint)/actionlint"
	"$$actionlint" -shellcheck "$$(command -v shellcheck)" -pyflakes= .github/workflows/*.yml

# The target is named so that macros, which the compiler loads, are built for the compiler and not static.
static:
	.ci/needs build static
	echo "The release binary, linked statically as the Dockerfile does it (5 minutes in a fresh clone, then seconds)."
	static="$(STATIC)"
	host="$(HOST)"
	CARGO_ENCODED_RUSTFLAGS="$$(.ci/rustflags "$$host" -C target-feature=+crt-static)"
	export CARGO_ENCODED_RUSTFLAGS
	$(CARGO) build --release --locked --bin silkroll --target "$$host" --target-dir "$$static"
	binary="$$static/$$host/release/silkroll"
	if readelf --program-headers "$$binary" | grep -q INTERP; then
	  echo "$$binary asks for a dynamic linker: it would not start on an image from scratch" >&2
	  exit 1
	fi
	"$$binary" --version
	echo "$$binary: static, $$(( $$(stat -c %s "$$binary") / 1024 / 1024 )) MiB"

reproducible:
	.ci/needs build static
	echo "The static binary and the chart's archive, each built twice in folders of other names, and compared (12 minutes)."
	helm="$${SILKROLL_HELM:-$$(tests/helm/build.sh 4)}/helm4"
	.ci/reproducible "$$helm"

chart:
	.ci/needs build
	helm="$${SILKROLL_HELM:-$$(tests/helm/build.sh 4)}/helm4"
	manifests/package.sh "$$helm" target/dist/silkroll-chart.tgz

# TAG from the environment or the command line; REPOSITORY, OWNER/NAME on GitHub, is given by the workflow.
release-check: export TAG ?=
release-check: export REPOSITORY ?=
release-check:
	.ci/release check "$$TAG" "$$REPOSITORY"

helper:
	.ci/needs helper
	echo "The hook for images without a shell, with Debian 12's compiler and musl (a minute with their installation, then"
	echo "20 seconds). It is committed: the name of the ConfigMap comes from its bytes. After a change: make manifests."
	helper/build.sh

helper-check:
	.ci/needs helper
	echo "Building the helper and comparing it with src/deregister/helper (a minute with the installation, then 20 seconds)."
	built=$$(mktemp -d)
	trap 'rm -rf "$$built"' EXIT
	status=0
	HELPER_OUT="$$built" helper/build.sh || status=$$?
	# Debian updates its compiler under a commit that has nothing to do with it.
	if [ "$$status" = 3 ]; then
	  echo "NOT COMPARED: the committed programs cannot be built anew with these tools."
	  exit 0
	fi
	[ "$$status" = 0 ] || exit "$$status"
	for program in hook-amd64 hook-arm64; do
	  cmp "$$built/$$program" "src/deregister/helper/$$program" && continue
	  echo "src/deregister/helper/$$program is not what helper/ gives. Where helper/ was changed: make helper, and commit both." >&2
	  echo "Where it was not, one of the tools differs from those that helper/build.sh names: binutils perhaps." >&2
	  exit 1
	done
	echo "The committed programs are what helper/ gives."

bench:
	.ci/needs build
	echo "Building with optimizations and measuring (4 minutes). Close what else is running: it shows in the figures."
	$(CARGO) bench --locked

bench-pods: static
	.ci/needs build test
	echo "1/2 The control plane for the tests (10 minutes once, cached outside this folder; then a second)."
	SILKROLL_CLUSTER_BIN="$${SILKROLL_CLUSTER_BIN:-$$(tests/cluster/build.sh)}"
	SILKROLL_PROGRAM="$(STATIC)/$(HOST)/release/silkroll"
	export SILKROLL_CLUSTER_BIN SILKROLL_PROGRAM
	echo "2/2 Building the measurement (4 minutes in a fresh clone), then creating 200 Pods of each kind (20 seconds)."
	$(CARGO) test --locked --test kubectl -- --ignored --nocapture price::

# What `make test` does a few times each, as often as docs/operations.md has it. SOAK=rotations and the like does one of them;
# less of each by its variable. It fails where an admission or a heal does.
soak: export ROTATIONS ?= 500
soak: export TIMES ?= 100
soak: export STOPS ?= 30
soak: export EVERY ?= 20
soak: export KILLS ?= 20
soak: export AWAY ?= 300
soak: export RESTARTS ?= 20
soak: export DEPLOYMENTS ?= 200
soak: export NAMESPACES ?= 10000
soak: export SOAK ?=
soak: static
	.ci/needs build test
	echo "1/3 The control plane for the tests (10 minutes once, cached outside this folder; then a second)."
	SILKROLL_CLUSTER_BIN="$${SILKROLL_CLUSTER_BIN:-$$(tests/cluster/build.sh)}"
	SILKROLL_PROGRAM="$(STATIC)/$(HOST)/release/silkroll"
	export SILKROLL_CLUSTER_BIN SILKROLL_PROGRAM
	echo "2/3 Two replicas of the program as it is shipped, a real API server, 50 admissions a second (3 h). All listens on"
	echo "    127.0.0.1 and stops at the end. Close what else is running."
	$(CARGO) test --locked --test soak -- --nocapture --test-threads 1 "$$SOAK"
	[ -z "$$SOAK" ] || exit 0
	echo "3/3 $$NAMESPACES namespaces opt in (5 minutes)."
	$(CARGO) test --locked --test many_namespaces -- --nocapture

# ATTACK_SECONDS of each attack, and ATTACK_ONLY those with this in their name.
attack:
	.ci/needs build
	echo "Building with optimizations (8 minutes in a fresh clone), then each attack in tests/attack on a server of its own,"
	echo "on 127.0.0.1, for $${ATTACK_SECONDS:-20} s. It fails where memory, a good review or a probe is not within its bound."
	$(CARGO) test --release --locked --test attack -- --ignored --nocapture all_attacks

# FUZZ_SECONDS of each target, two at a time, FUZZ_ONLY those with this in their name, FUZZ_SEED=1 for the same inputs each
# time where fuzz/corpus is empty. What they learn stays in fuzz/corpus, so that the next run goes on where this one ended;
# what is worth keeping goes to fuzz/seeds by hand.
fuzz: export FUZZ_SECONDS ?= 60
fuzz: export FUZZ_ONLY ?=
fuzz:
	.ci/needs build fuzz
	echo "Building the targets in fuzz/ (5 minutes in a fresh clone), then each for $$FUZZ_SECONDS s, two at a time. A find ends its"
	echo "target, and names the file with the input: cargo fuzz run -s none TARGET FILE runs it again."
	$(CARGO) fuzz build -s none
	fuzz/run.sh

cluster:
	echo "The control plane for the tests: etcd, kube-apiserver, kubectl and kube-controller-manager of one Kubernetes"
	echo "version, from its published Go modules (10 minutes once, cached outside this folder; then a second)."
	tests/cluster/build.sh

manifests:
	.ci/needs build
	echo "The chart gets the names of the ConfigMaps that this version's script and helper have, and manifests/install.yaml is"
	echo "rendered from it (3 minutes once, to build Helm; then a second)."
	name() { $(CARGO) run --quiet --locked -- configmap -n any --hook "$$1" | sed -n 's/^  name: //p'; }
	names="$$(name script), $$(name binary)"
	sed -i "s/^silkroll-[0-9a-f]*, silkroll-[0-9a-f]*$$/$$names/" manifests/chart/templates/_config-maps.tpl
	helm="$${SILKROLL_HELM:-$$(tests/helm/build.sh 4)}/helm4"
	manifests/render.sh "$$helm" >manifests/install.yaml.part
	mv manifests/install.yaml.part manifests/install.yaml
	grep -n "$$names" manifests/install.yaml

# Everything that the proof starts is in namespaces of its own and ends with it, also on Ctrl-C.
# All scenarios in a quarter of an hour: two rollouts are one of each kind.
prove: ROLLOUTS ?= 2
prove-full: ROLLOUTS ?= 100
# There is no hurry: those that take long are replaced as often as the others.
prove-full: EVENLY = --evenly
prove prove-full: prove-needs static prove-programs
	echo "Kubernetes and Traefik from their Go modules (30 minutes once, cached outside this folder; then a second)."
	kubernetes=$$(tests/cluster/build.sh $(NODE))
	traefik=$$(prove/traefik/build.sh)
	echo "Nacos, Eureka and Spring Cloud Gateway from Maven Central (5 minutes once, cached; then a second)."
	registries=$$(tests/registries/prepare.sh nacos2 client eureka gateway)
	silkroll="$(STATIC)/$(HOST)/release/silkroll"
	programs="$(PROGRAMS)"
	echo "A node with Silkroll in it; $(ROLLOUTS) rollouts of each service with and without it, at $(RATE) requests a second each."
	"$$programs/prove" --kubernetes "$$kubernetes" --traefik "$$traefik" \
	  --registries "$$registries" --binaries "$$programs" --silkroll "$$silkroll" \
	  --proxy-mode "$(PROXY_MODE)" --rollouts $(ROLLOUTS) $(EVENLY) --rate $(RATE) --out target/prove $(SCENARIOS)

# What the proof's own node runs.
NODE = etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl

prove-needs:
	.ci/needs build static node prove

prove-node-needs:
	.ci/needs build static node

prove-programs:
	.ci/needs build
	echo "The load generator and the services under load, as static binaries (1 minute, then a second)."
	RUSTFLAGS="-C target-feature=+crt-static" $(CARGO) build --release --locked --bins \
	  --manifest-path prove/Cargo.toml --target "$(HOST)"

# COMMAND reaches the shell through the environment, as it was typed.
prove-node prove-cluster-check prove-start: prove-node-needs static prove-programs
	echo "Kubernetes from its Go modules (20 minutes once, cached outside this folder; then a second)."
	kubernetes=$$(tests/cluster/build.sh $(NODE))
	silkroll="$(STATIC)/$(HOST)/release/silkroll"
	programs="$(PROGRAMS)"
	export PROVE_CLUSTER="$$programs/prove-cluster"
	echo "A node with Silkroll in it, in namespaces of its own (20 seconds); it ends with the command."
	"$$programs/prove" --kubernetes "$$kubernetes" --binaries "$$programs" --silkroll "$$silkroll" \
	  --out target/$@ --command "$${COMMAND:-}"

# What docs/proof.md says of connections that kube-proxy refuses by itself.
prove-refused: export SECONDS_EACH ?= 120
prove-refused:
	.ci/needs refused
	echo "Two network namespaces, kube-proxy's rules for one Service, five arms of $$SECONDS_EACH s; nothing else is needed."
	python3 prove/kernel/refused.py "$$SECONDS_EACH"

# On the node there is another HOME, and no rustc to ask where the program is.
prove-cluster-check: export COMMAND = prove/check-cluster.sh "$$PROVE_CLUSTER" target/prove-cluster

# That every container starts, whatever is missing.
prove-start: export COMMAND = prove/check-start.sh

prove-image: prove-programs
	.ci/needs image
	mkdir -p target/prove
	programs="$(PROGRAMS)"
	"$$programs/prove-cluster" image --binaries "$$programs" --archive target/prove/image.tar

# Never the current context, nor one from the environment: this makes namespaces in somebody's cluster.
prove-cluster: ROLLOUTS ?= 10
prove-cluster: IMAGES = prove.local
prove-cluster: prove-programs
	[ '$(origin CONTEXT)' = 'command line' ] || CONTEXT=
	echo "$(ROLLOUTS) rollouts of each service with Silkroll and without, at $(RATE) requests a second each, in namespaces"
	echo "named silkroll-prove-…, which are deleted at the end."
	programs="$(PROGRAMS)"
	"$$programs/prove-cluster" run --context "$$CONTEXT" --images "$(IMAGES)" --rollouts $(ROLLOUTS) --rate $(RATE) \
	  --out target/prove-cluster $(SCENARIOS)

# So that figures are never copied by hand.
prove-docs:
	echo "What the last make prove has seen goes to docs/proof.md and docs/proof/."
	if ! [ -e target/prove/summary.md ]; then
	  echo "There has been no make prove in this folder, so there is nothing to take over: make prove" >&2
	  exit 1
	fi
	if grep '^NOT PROVED' target/prove/summary.md; then
	  echo "The last make prove has proved nothing, so nothing is taken over." >&2
	  exit 1
	fi
	for picture in docs/proof/*.svg; do
	  [ -e "target/prove/$${picture##*/}" ] && continue
	  echo "The last make prove was without $$(basename "$$picture" .svg), so nothing is taken over: make prove" >&2
	  exit 1
	done
	mkdir -p docs/proof
	rm -f docs/proof/*.svg
	cp target/prove/*.svg target/prove/report.md docs/proof/
	figures=$$(mktemp)
	trap 'rm -f "$$figures"' EXIT
	fold -s -w 120 target/prove/summary.md | sed 's/ $$//' >"$$figures"
	sed -i -e "/^<!-- proved -->/r $$figures" -e '/^<!-- proved -->/,/^<!-- \/proved -->/{/proved -->/!d}' README.md
	sed '1,2d; /^## /,$$d' target/prove/report.md >"$$figures"
	sed -i -e "/^<!-- figures -->/r $$figures" -e '/^<!-- figures -->/,/^<!-- \/figures -->/{/figures -->/!d}' docs/proof.md
	echo "Put the figures of README.md into README.zh-CN.md, too: cargo test --test readme languages compares them"
	git diff --stat README.md docs
