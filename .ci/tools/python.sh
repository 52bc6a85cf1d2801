#!/usr/bin/env bash
# Puts componentize-py into the cache of tools and prints the folder of its program. Does nothing when it is there.
set -euo pipefail
tools=${BEFFROI_TOOLS:-$PWD/target/tools}
version=0.25.1
home=$tools/componentize-py-$version
if [ ! -x "$home/bin/componentize-py" ]; then
  python3 -m venv "$home" 2> /dev/null || {
    apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv > /dev/null; python3 -m venv "$home"; }
  "$home/bin/pip" install --quiet --disable-pip-version-check "componentize-py==$version" >&2
fi
echo "$home/bin"
