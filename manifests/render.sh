#!/bin/sh
# Prints manifests/install.yaml: the chart with its defaults, as Helm renders it, in a namespace of its own.
#   manifests/render.sh HELM        the program, as tests/helm/build.sh builds it
set -eu
helm=$1
here=$(cd "$(dirname "$0")" && pwd)

# What tests/install_names.rs holds the chart to, where no Helm is built.
digest=$(cd "$here" && find chart render.sh -type f | LC_ALL=C sort | xargs cat | sha256sum | cut -d' ' -f1)
echo "# sha256 of what it is rendered from: $digest"
cat <<'END'
# Silkroll for a whole cluster, without Helm. Rendered from manifests/chart by `make manifests`: change that.
#
#   kubectl apply -f manifests/install.yaml
#   silkroll wait
#
# Silkroll makes its certificates, renews them and tells API servers whom to trust. Until it answers, and whenever
# it is away, workloads are admitted as they are (failurePolicy: Ignore). This file says nothing about the CA
# bundle, so applying it again leaves the bundle in place. Arguments and kinds of yours it sets back:
# examples/install keeps them.
#
# Removing it: kubectl delete -f manifests/install.yaml. Pods keep what was injected, and the ConfigMaps
# that they mount stay in their namespaces (label app.kubernetes.io/managed-by=silkroll).
END
# What is in the cluster, and who runs this, makes no difference: Helm's own folders are left alone.
HELM_CACHE_HOME=/nonexistent HELM_CONFIG_HOME=/nonexistent HELM_DATA_HOME=/nonexistent KUBECONFIG=/nonexistent \
  "$helm" template silkroll "$here/chart" --namespace silkroll-system \
  --set namespace.create=true --set wait.enabled=false |
  sed -e '/^# Source: /d' -e '1{/^---$/d}' -e '/^$/d'
