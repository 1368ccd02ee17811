#!/bin/sh
# Waits until Silkroll answers: until its pods are ready and those of before have gone, and then until an API server's call
# comes through, which is moments later. What is applied before that is admitted as it is, without a word, or decided by
# the old pods. Nothing is made in the cluster.
#   manifests/wait.sh [SECONDS]     for so long at most; 120, if not said
set -eu
seconds=${1:-120}
try="$(dirname "$0")/try.yaml"
end=$(($(date +%s) + seconds))

kubectl rollout status deployment silkroll -n silkroll-system --timeout="${seconds}s"
while :; do
  # API servers keep connections to a pod that is about to end.
  leaving=$(kubectl get pods -n silkroll-system -l app.kubernetes.io/name=silkroll \
    -o jsonpath='{.items[*].metadata.deletionTimestamp}')
  if [ -n "$leaving" ]; then
    said="pods of before are still there: kubectl get pods -n silkroll-system"
  elif said=$(kubectl create --dry-run=server -f "$try" -o yaml 2>&1); then
    # A warning says that the namespace has not opted in; where it has, the answer is an injection.
    case $said in *'Warning: silkroll: '* | *silkroll.dev/status*) break ;; esac
    said="API servers admit workloads without Silkroll's answer. Why is in the API server's log; often it is
the CA bundle (silkroll certs --output patch), or a firewall between the API server and the pods."
  fi
  if [ "$(date +%s)" -ge "$end" ]; then
    printf 'Silkroll did not answer within %s s: %s\n' "$seconds" "$said" >&2
    exit 1
  fi
  sleep 1
done
echo "Silkroll answers"
