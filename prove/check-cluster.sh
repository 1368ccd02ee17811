#!/bin/bash
# That the proof works in a cluster that it did not start: run on the proof's own node, as on any other.
#   check-cluster.sh PROVE-CLUSTER OUT
set -euo pipefail

prove=$1 out=$2
context=$(kubectl config current-context)

fail() {
  echo "NOT PROVED: $*" >&2
  exit 1
}

# Runs it and expects this exit code, and this in what it says.
expect() {
  local code=$1 words=$2 status=0
  shift 2
  said=$("$prove" run --out "$out" "$@" 2>&1) || status=$?
  [ "$status" = "$code" ] || fail "exit code $status in place of $code: $said"
  grep -q -- "$words" <<<"$said" || fail "no word of '$words': $said"
}

none_left() {
  # Those of an interrupted run are still being deleted.
  for _ in $(seq 90); do
    [[ $(kubectl get namespaces -o name) == */silkroll-prove-* ]] || return 0
    sleep 1
  done
  fail "left behind: $(kubectl get namespaces -o name)"
}

echo "A context that is not there, and a scenario that would drain the node, are refused."
expect 2 "there are $context" --context elsewhere
expect 2 "drains the node" --context "$context" drain

# Nobody listens on port 1, which a node knows at once.
echo "An image that cannot be had ends the run in seconds, and its namespaces are deleted."
begun=$SECONDS
expect 1 "kind load image-archive" --context "$context" --images 127.0.0.1:1/none service
[ $((SECONDS - begun)) -lt 90 ] || fail "it took $((SECONDS - begun)) s"
none_left

echo "Namespaces of another run are refused, and stay."
kubectl create namespace silkroll-prove-other >/dev/null
expect 2 "kubectl delete namespace silkroll-prove-other" --context "$context" service
kubectl delete namespace silkroll-prove-other >/dev/null

echo "Ctrl-C deletes them, too."
"$prove" run --out "$out" --context "$context" service >/dev/null 2>&1 &
running=$!
until kubectl get namespace silkroll-prove-service-silkroll >/dev/null 2>&1; do
  kill -0 "$running" || fail "it ended by itself"
  sleep 0.5
done
# INT is ignored by what a script starts in the background; TERM is taken in the same way.
kill -TERM "$running"
status=0
wait "$running" || status=$?
[ "$status" = 130 ] || fail "exit code $status in place of 130 after an interruption"
none_left

echo "Two rollouts with a hook of the user's own, with Silkroll and without."
"$prove" run --out "$out" --context "$context" --rollouts 2 own-hook
none_left
grep -q 'The load came from a pod' "$out/report.md" || fail "the report does not say where the load came from"
