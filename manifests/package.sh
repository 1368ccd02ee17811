#!/bin/sh
# Packs the chart into an archive, the same bytes each time: Helm takes the dates of the files.
#   manifests/package.sh HELM FILE    Helm 4, as tests/helm/build.sh builds it; every date is SOURCE_DATE_EPOCH, else the commit's
set -eu
helm=$1
here=$(cd "$(dirname "$0")" && pwd)
date=${SOURCE_DATE_EPOCH:-$(git -C "$here" log -1 --format=%ct)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R "$here/chart" "$work/silkroll"
cp "$here/../LICENSE" "$work/silkroll/"
find "$work/silkroll" -exec touch -d "@$date" {} +
HELM_CACHE_HOME=/nonexistent HELM_CONFIG_HOME=/nonexistent HELM_DATA_HOME=/nonexistent KUBECONFIG=/nonexistent \
  "$helm" package "$work/silkroll" --destination "$work" >&2
mkdir -p "$(dirname "$2")"
mv "$work"/silkroll-*.tgz "$2"
echo "$2: $(sha256sum "$2" | cut -d' ' -f1)"
