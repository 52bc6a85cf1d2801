#!/usr/bin/env bash
# Makes the C bindings of the plugin templates from the contract; with --check, only says whether they are up to date.
# wit-bindgen is built into the cache of tools when it is missing: two minutes, once.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools=${BEFFROI_TOOLS:-$PWD/target/tools}
version=0.63.0
if ! "$tools/bin/wit-bindgen" --version 2> /dev/null | grep -q " $version"; then
  cargo install --quiet --root "$tools" --target-dir "$tools/.build" --locked --no-default-features --features c --version "$version" wit-bindgen-cli
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for kind in channel source catalog generator notifier workflow; do
  mkdir -p "$work/$kind/deps/beffroi-plugin"
  cp plugin-sdk/wit/*.wit "$work/$kind/deps/beffroi-plugin/"
  cp "plugin-sdk/templates/shared/$kind/world.wit" "$work/$kind/project.wit"
  "$tools/bin/wit-bindgen" c "$work/$kind" --world project --out-dir "plugin-sdk/templates/c/$kind/bindings" "$@" > /dev/null 2>&1 ||
    { echo "The C bindings of $kind differ from the contract. Make them anew: .ci/tools/c-bindings.sh" >&2; exit 1; }
done
