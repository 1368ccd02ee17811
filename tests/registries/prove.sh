#!/bin/sh
# Proves the hook on real Nacos servers, 2.3.1 and 3.1.0, with the official client: `prove.sh [2] [3]`.
# Downloads the published libraries from Maven Central once into the cache, starts each server in a network namespace
# (2.x binds some ports on every address) and stops it by its process id. Needs java, mvn, curl, unshare and nsenter.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
hook=$here/../../src/leave/hook.sh
cache=${SILKROLL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/silkroll}/registries
work=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null || true; rm -rf "$work"' EXIT

for tool in java javac mvn curl unshare nsenter; do
  command -v $tool >/dev/null || { echo "$tool is missing: apt-get install -y openjdk-17-jdk-headless maven curl util-linux" >&2; exit 1; }
done

# libraries NAME: where they are. The poms pin every version; Maven checks each download's checksum.
libraries() {
  key=$(sha256sum "$here/$1/pom.xml" | cut -c1-16)
  if [ ! -d "$cache/$1-$key" ]; then
    echo "downloading the libraries of $1 (once, into $cache)" >&2
    mvn -q -B -C -f "$here/$1/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$cache/$1-$key.part" >&2
    mv "$cache/$1-$key.part" "$cache/$1-$key"
  fi
  echo "$cache/$1-$key"
}

eventually() { # SECONDS WHAT COMMAND…
  n=$1 what=$2
  shift 2
  until "$@"; do
    n=$((n - 1))
    [ "$n" -gt 0 ] || { echo "FAILED: $what" >&2; tail -n 20 "$work"/*.log >&2; exit 1; }
    sleep 1
  done
  echo "ok: $what"
}

inside() { nsenter --target "$server" --net "$@"; }
ready() { [ "$(inside curl -s -m 2 -o /dev/null -w '%{http_code}' "http://127.0.0.1:8848/nacos$ready")" = 200 ]; }
sees() { [ "$(grep '^sees' "$work/caller.log" 2>/dev/null | tail -n 1)" = "sees$1" ]; }

client() { # LOG ARGUMENTS…: the official client in the background, its pid in $!
  log=$1
  shift
  inside java -Xmx64m -Duser.home="$work" -cp "$work/client:$(libraries client)/*" Client "$@" >"$work/$log.log" 2>&1 &
  pids="$pids $!"
}

run_hook() { # SHELL stop|start
  inside env SILKROLL_LOG=- SILKROLL_DRAIN_SECONDS=0 SILKROLL_METHOD=nacos SILKROLL_NACOS_SERVER=http://127.0.0.1:8848 \
    SILKROLL_NACOS_SERVICE=customer SILKROLL_NACOS_PORT=9810 podip=10.1.2.3 SILKROLL_POD_NAME="prove-$$" "$1" "$hook" "$2"
}

prove() { # 2|3
  generation=$1
  rm -f "$work"/*.log
  jars=$(libraries "nacos$1")
  mkdir -p "$work/nacos$1/conf" "$work/client"
  javac -proc:none -nowarn -cp "$jars/*" -d "$work/nacos$1" "$here/nacos$1/Nacos$1.java"
  javac -proc:none -nowarn -cp "$(libraries client)/*" -d "$work/client" "$here/client/Client.java"
  : >"$work/nacos$1/application.properties"
  # The older hessian that the server brings lacks classes that it uses: this one goes first.
  unshare --net sh -c 'ip link set lo up && exec "$@"' sh java -Xmx512m --add-opens java.base/java.lang=ALL-UNNAMED \
    -Dnacos.standalone=true -Dnacos.home="$work/nacos$1" -Duser.home="$work/nacos$1" -Dserver.address=127.0.0.1 \
    -Dserver.port=8848 -Dnacos.server.main.port=8848 -Dserver.servlet.context-path=/nacos \
    -Dnacos.inetutils.ip-address=127.0.0.1 -Dnacos.remote.grpc.listen.ip=127.0.0.1 -Dnacos.core.auth.system.type=nacos \
    -Dnacos.core.auth.enabled=false -Dnacos.core.auth.admin.enabled=false \
    -Dnacos.core.auth.server.identity.key=test -Dnacos.core.auth.server.identity.value=test \
    -Dnacos.core.auth.plugin.nacos.token.secret.key=c2lsa3JvbGwtdGVzdHMtb25seS1zaWxrcm9sbC10ZXN0cy1vbmx5 \
    -cp "$work/nacos$1:$jars/hessian-4.0.63.jar:$jars/*" "Nacos$1" >"$work/server$1.log" 2>&1 &
  server=$!
  pids="$pids $server"
  case $1 in 2) ready=/v1/ns/operator/metrics ;; 3) ready=/v3/admin/core/state/readiness ;; esac
  eventually 120 "Nacos $1 is up" ready

  client caller watch
  client service register 10.1.2.3 9810 2.5
  eventually 40 "the caller sees the instance, weight 2.5" sees ' 10.1.2.3:9810*2.5'
  for shell in dash bash 'busybox sh'; do
    # shellcheck disable=SC2086 # two words
    set -- $shell
    printf '#!/bin/sh\nexec %s "$@"\n' "$shell" >"$work/shell"
    chmod +x "$work/shell"
    run_hook "$work/shell" stop
    eventually 5 "$shell: left, the caller sees nobody" sees ''
    run_hook "$work/shell" start
    eventually 5 "$shell: back with its weight" sees ' 10.1.2.3:9810*2.5'
  done

  # A container that restarts at its address: the switch sticks to the address, and the start hook has to clear it.
  run_hook dash stop
  eventually 5 "left before the restart" sees ''
  kill "${pids##* }"
  run_hook dash start
  client service register 10.1.2.3 9810 2.5
  eventually 40 "the restarted instance is listed again, weight 2.5" sees ' 10.1.2.3:9810*2.5'

  podip=10.9.9.9
  inside env SILKROLL_LOG=- SILKROLL_DRAIN_SECONDS=0 SILKROLL_METHOD=nacos SILKROLL_NACOS_SERVER=http://127.0.0.1:8848 \
    SILKROLL_NACOS_SERVICE=nosuch SILKROLL_NACOS_PORT=1 podip=$podip dash "$hook" stop | grep -q 'is not registered, nothing to switch off'
  echo "ok: an unknown service is left without a change"
  # shellcheck disable=SC2086 # several
  kill $pids 2>/dev/null || true
  wait 2>/dev/null || true
  pids=
  echo "Nacos $generation: proved"
}

[ "$#" -gt 0 ] || set -- 2 3
for it in "$@"; do prove "$it"; done
