#!/bin/sh
# Puts the registries and their clients into the cache, once, and prints the folder they are in: published libraries
# from Maven Central (the poms pin every version, Maven checks each checksum) and Consul built from its Go module (go.sum).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${SILKROLL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/silkroll}/registries
programs="nacos2 nacos3 client client1 eureka spring gateway dubbo"

key() { # of what the files named say
  cat "$@" | sha256sum | cut -c1-16
}

libraries() { # NAME: the folder with its jars
  jars=$cache/$1-$(sha256sum "$here/$1/pom.xml" | cut -c1-16)
  [ ! -d "$jars" ] || return 0
  echo "downloading the libraries of $1 (once, into $cache)" >&2
  rm -rf "$jars.part"
  mvn -q -B -C -f "$here/$1/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$jars.part" >&2
  mv "$jars.part" "$jars"
}

cd "$here"
out=$cache/ready-$(key prepare.sh ./*/pom.xml ./*/*.java consul/go.mod consul/go.sum)
if [ ! -d "$out" ]; then
  rm -rf "$out.part"
  mkdir -p "$out.part"
  for name in $programs; do
    libraries "$name"
    mkdir "$out.part/$name"
    ln -s "$jars" "$out.part/$name/lib"
    # The old client runs the same program.
    sources=$name
    [ "$name" != client1 ] || sources=client
    javac -proc:none -nowarn -cp "$jars/*" -d "$out.part/$name/classes" "$sources"/*.java >&2
  done
  consul=$cache/consul-$(key consul/go.mod consul/go.sum)
  if [ ! -x "$consul" ]; then
    echo "building Consul (5 minutes, once)" >&2
    # One of its dependencies reaches into Go's runtime, which linkers of today refuse unless told.
    (cd consul && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -checklinkname=0' -o "$consul.part" github.com/hashicorp/consul) >&2
    mv "$consul.part" "$consul"
  fi
  ln -s "$consul" "$out.part/consul"
  mv "$out.part" "$out"
fi
echo "$out"
