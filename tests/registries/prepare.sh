#!/bin/sh
# Puts registries and their clients into the cache, once, and prints the folder they are in: published libraries
# from Maven Central (the poms pin every version, Maven checks each checksum) and Consul built from its Go module (go.sum).
#   prepare.sh NAME…   nacos2 nacos3 client client1 eureka spring gateway dubbo consul
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${SILKROLL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/silkroll}/registries
# What Spring needs; programs compiled for it run on any newer Java.
release=17

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

consul() { # the program
  consul=$cache/consul-$(key consul/go.mod consul/go.sum)
  if [ ! -x "$consul" ]; then
    echo "building Consul (5 minutes, once)" >&2
    # One of its dependencies reaches into Go's runtime, which linkers of today refuse unless told.
    (cd consul && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -checklinkname=0' -o "$consul.part" github.com/hashicorp/consul) >&2
    mv "$consul.part" "$consul"
  fi
}

cd "$here"
[ $# -gt 0 ] || { sed -n 's/^#   //p' prepare.sh >&2; exit 2; }
mkdir -p "$cache"
# Two at once would take each other's halves for the whole.
exec 9>"$cache/lock"
flock -n 9 || { echo "waiting for another run that prepares registries" >&2; flock 9; }
out=$cache/ready-$({ echo "$*"; cat prepare.sh ./*/pom.xml ./*/*.java consul/go.mod consul/go.sum; } | sha256sum | cut -c1-16)
if [ ! -d "$out" ]; then
  java=$(javac -version 2>&1 | sed 's/^javac \([0-9]*\).*/\1/')
  if ! [ "$java" -ge "$release" ] 2>/dev/null; then
    echo "prepare.sh: javac is of Java $java, and $release or newer is needed: apt-get install default-jdk-headless" >&2
    exit 1
  fi
  rm -rf "$out.part"
  mkdir -p "$out.part"
  for name in "$@"; do
    if [ "$name" = consul ]; then
      consul
      ln -s "$consul" "$out.part/consul"
      continue
    fi
    libraries "$name"
    mkdir "$out.part/$name"
    ln -s "$jars" "$out.part/$name/lib"
    # The old client runs the same program.
    sources=$name
    [ "$name" != client1 ] || sources=client
    javac -proc:none -nowarn --release "$release" -cp "$jars/*" -d "$out.part/$name/classes" "$sources"/*.java >&2
  done
  mv "$out.part" "$out"
fi
echo "$out"
