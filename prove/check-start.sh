#!/bin/bash
# That nothing that is injected keeps a container from starting (law 14), and what each stop is then: run on the proof's own
# node, where kubectl reaches a cluster of one node with Silkroll in it.
set -euo pipefail

readonly space=starts
# Of nobody: what is called does not answer.
readonly nobody=http://127.0.0.1:1

case $(uname -m) in
  aarch64) own=arm64 other=amd64 ;;
  *) own=amd64 other=arm64 ;;
esac
readonly own other
node=$(kubectl get nodes -o jsonpath='{.items[0].metadata.name}')
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

fail() {
  echo "NOT PROVED: $*" >&2
  kubectl get pods,events -n "$space" >&2
  exit 1
}

# within SECONDS WHAT COMMAND…: polls it.
within() {
  local seconds=$1 what=$2 end=$((SECONDS + $1))
  shift 2
  until "$@"; do
    ((SECONDS < end)) || fail "not within $seconds s: $what"
    sleep 0.5
  done
}

# manifest NAME IMAGE COMMAND [HOOK [ARCH]]: COMMAND is JSON, or nothing for the image's own.
manifest() {
  local name=$1 image=$2 command=$3 hook=${4-} arch=${5-}
  cat <<MANIFEST
apiVersion: apps/v1
kind: Deployment
metadata:
  name: $name
  annotations:
    ${hook:+silkroll.dev/hook: $hook}
    ${arch:+silkroll.dev/hook-arch: $arch}
spec:
  replicas: 1
  selector:
    matchLabels: {app: $name}
  template:
    metadata:
      labels: {app: $name}
    spec:
      containers:
        - name: web
          image: prove.local/$image:1
          ${command:+command: $command}
          ports: [{containerPort: 8080}]
          readinessProbe:
            tcpSocket: {port: 8080}
            periodSeconds: 1
            timeoutSeconds: 5
MANIFEST
}

service() {
  manifest "$@" | kubectl apply -n "$space" -f - >/dev/null 2>&1 || fail "$1 cannot be applied"
}

readonly stop='{.spec.template.spec.containers[0].lifecycle.preStop.exec.command[0]}'
readonly start='{.spec.template.spec.containers[0].lifecycle.postStart.exec.command[0]}'
readonly file='{.spec.template.spec.volumes[0].configMap.items[0].key}'

# What stops it, and whether a start hook stands there.
words() {
  case $1 in
    '/bin/sh||') echo script ;;
    '/bin/sh|/bin/sh|') echo script and start hook ;;
    '/silkroll/hook||hook-'*) echo "helper for ${1##*-}" ;;
    '/silkroll/hook|/silkroll/hook|hook-'*) echo "helper for ${1##*-} and start hook" ;;
    *) echo "something else: $1" ;;
  esac
}

injected() {
  words "$(kubectl get deployment -n "$space" "$1" -o jsonpath="$stop|$start|$file")"
}

# would EXPECTED ARGUMENTS OF MANIFEST…: whether that would come of it now.
would() {
  local expected=$1
  shift
  [[ $(words "$(manifest "$@" | kubectl create -n "$space" --dry-run=server -o jsonpath="$stop|$start|$file" -f - 2>/dev/null)") = "$expected" ]]
}

pod() {
  kubectl get pods -n "$space" -l "app=$1" -o jsonpath='{.items[0].metadata.name}'
}

# starts NAME: its pod runs and is ready, and its container was never started again.
starts() {
  kubectl rollout status -n "$space" "deployment/$1" --timeout=120s >/dev/null || fail "$1 did not start"
  local restarts
  restarts=$(kubectl get pods -n "$space" -l "app=$1" -o jsonpath='{.items[*].status.containerStatuses[0].restartCount}')
  [[ $restarts =~ ^[0\ ]+$ ]] || fail "$1 was restarted: $restarts"
}

hook_failed() {
  [[ -n $(kubectl get events -n "$space" -o name --field-selector "involvedObject.name=$1,reason=FailedPreStopHook") ]]
}

# stops NAME HOW: deletes its pod. HOW is `by its hook`, whose words are in the log, `at once`, with an event, or `asleep`.
stops() {
  local name=$1 how=$2 gone
  gone=$(pod "$name")
  kubectl logs -n "$space" -f "$gone" >"$logs/$gone" 2>&1 &
  kubectl delete pod -n "$space" "$gone" --timeout=90s >/dev/null
  wait $!
  case $how in
    'by its hook')
      grep -q '^silkroll: ' "$logs/$gone" || fail "$name: its log has no word of the hook: $(cat "$logs/$gone")"
      hook_failed "$gone" && fail "$name: its hook failed"
      ;;
    'at once') within 30 "the event of $name's hook" hook_failed "$gone" ;;
    asleep)
      grep -qx 'silkroll: .* is missing or cannot be read: only the drain is done' "$logs/$gone" || fail "$name: its log does not say that the script is gone: $(cat "$logs/$gone")"
      [[ $(grep -c '^silkroll: ' "$logs/$gone") = 1 ]] || fail "$name: the script is gone, and its hook speaks: $(cat "$logs/$gone")"
      hook_failed "$gone" && fail "$name: its hook failed"
      ;;
  esac
  echo "  $name stopped $how"
}

# Each service, with what it is told to be and what comes of it.
readonly shell='["/bin/sh", "-c", "exec /app --on-term graceful"]'
readonly app='["/app", "--on-term", "graceful"]'

expect() {
  local name=$1 expected=$2 found
  found=$(injected "$name")
  [[ $found = "$expected" ]] || fail "$name got: $found; expected was: $expected"
  starts "$name"
  echo "  $name starts: $found"
}

kubectl create namespace "$space" >/dev/null
service earlier bare ''
starts earlier
kubectl annotate namespace "$space" --field-manager=silkroll silkroll.dev/inject=enabled silkroll.dev/deregister=http \
  "silkroll.dev/http-url=$nobody/off" "silkroll.dev/http-start-url=$nobody/on" silkroll.dev/drain-seconds=1 \
  silkroll.dev/deregister-timeout-seconds=1 silkroll.dev/shutdown-seconds=5 >/dev/null

echo "Images with a shell and without, on a node of $own."
within 60 "namespace and node are known" would "helper for $own" unseen shell "$app"
service unseen shell "$app"
service bare bare ''
service shown shell "$shell"
service said shell "$app" script
service asked bare '' binary "$own"
expect unseen "helper for $own"
expect bare "helper for $own"
expect shown "script and start hook"
expect said "script and start hook"
expect asked "helper for $own and start hook"
for name in unseen bare shown said asked; do
  stops "$name" 'by its hook'
  starts "$name"
done

echo "A service that ran before its namespace opted in: restarted, and taken back to the revision before."
kubectl rollout restart -n "$space" deployment/earlier >/dev/null
expect earlier "helper for $own"
kubectl rollout undo -n "$space" deployment/earlier >/dev/null
starts earlier
echo "  earlier starts again after the undo: $(injected earlier)"

echo "The same with a node of $other besides: nothing that stands changes, and what is new goes by what is still known."
kubectl create -f - >/dev/null <<MANIFEST
{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "other", "labels": {"kubernetes.io/arch": "$other", "kubernetes.io/os": "linux"}}}
MANIFEST
within 60 "both architectures are known" would script mixed bare ''
service mixed bare ''
expect mixed script
stops mixed 'at once'
starts mixed
for name in unseen bare shown said asked; do
  before=$(kubectl get deployment -n "$space" "$name" -o jsonpath='{.metadata.generation}')
  kubectl label deployment -n "$space" "$name" seen=both >/dev/null
  [[ $(kubectl get deployment -n "$space" "$name" -o jsonpath='{.metadata.generation}') = "$before" ]] || fail "$name was changed"
done
kubectl delete node other >/dev/null

echo "A node that calls itself $other: the helper for it cannot run here."
kubectl label node "$node" --overwrite "kubernetes.io/arch=$other" >/dev/null
within 60 "the other architecture is known" would "helper for $other" foreign bare ''
service foreign bare ''
service foreign-shell shell "$app"
expect foreign "helper for $other"
expect foreign-shell "helper for $other"
for name in foreign foreign-shell; do
  stops "$name" 'at once'
  starts "$name"
done
kubectl label node "$node" --overwrite "kubernetes.io/arch=$own" >/dev/null

echo "The ConfigMaps deleted, while Silkroll is there: they are back before long."
kubectl delete configmap -n "$space" -l app.kubernetes.io/managed-by=silkroll >/dev/null
for name in unseen bare shown said asked; do
  kubectl delete pod -n "$space" -l "app=$name" >/dev/null
  starts "$name"
done
both() { [[ $(kubectl get configmap -n "$space" -l app.kubernetes.io/managed-by=silkroll -o name | wc -l) = 2 ]]; }
within 60 "both ConfigMaps are back" both

echo "The same while Silkroll is away."
kubectl scale -n silkroll-system deployment/silkroll --replicas=0 >/dev/null
none() { [[ -z $(kubectl get pods -n silkroll-system -l app.kubernetes.io/name=silkroll -o name) ]]; }
within 120 "Silkroll is away" none
# The kubelet keeps an immutable ConfigMap for as long as a pod of its node has it.
kubectl scale -n "$space" deployment --all --replicas=0 >/dev/null
empty() { [[ -z $(kubectl get pods -n "$space" -o name) ]]; }
within 60 "all pods have gone" empty
kubectl delete configmap -n "$space" -l app.kubernetes.io/managed-by=silkroll >/dev/null
for name in unseen bare shown said; do
  kubectl scale -n "$space" "deployment/$name" --replicas=1 >/dev/null
  starts "$name"
done
stops unseen 'at once'
stops bare 'at once'
stops shown asleep
stops said asleep
for name in unseen bare shown said; do
  starts "$name"
done
# The one that asked for a start hook of the helper waits for it, and is not killed again and again.
kubectl scale -n "$space" deployment/asked --replicas=1 >/dev/null
waits() {
  [[ -n $(kubectl get events -n "$space" -o name --field-selector "involvedObject.name=$(pod asked),reason=FailedMount") ]]
}
within 90 "asked waits for its ConfigMap" waits
echo "  asked, which says hook: binary, waits for the helper's ConfigMap"
kubectl scale -n silkroll-system deployment/silkroll --replicas=2 >/dev/null
within 180 "asked starts when Silkroll is back" kubectl rollout status -n "$space" deployment/asked --timeout=1s >/dev/null 2>&1
starts asked
echo "  asked starts when Silkroll is back"
kubectl delete namespace "$space" --wait=false >/dev/null

echo "PROVED: every container started, the one that says hook: binary once its ConfigMap was back; what could not run was the hook at the stop."
