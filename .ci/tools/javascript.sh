#!/usr/bin/env bash
# Puts componentize-qjs into the cache of tools and prints the folder of its program. Does nothing when it is there.
set -euo pipefail
tools=${BEFFROI_TOOLS:-$PWD/target/tools}
version=0.4.5
home=$tools/componentize-qjs-$version
if [ ! -x "$home/node_modules/.bin/componentize-qjs" ]; then
  command -v npm > /dev/null || { apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nodejs npm > /dev/null; }
  mkdir -p "$home"
  npm install --prefix "$home" --no-fund --no-audit --silent "componentize-qjs@$version" >&2
fi
echo "$home/node_modules/.bin"
