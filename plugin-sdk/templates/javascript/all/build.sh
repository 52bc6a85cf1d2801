#!/bin/sh
# Makes build/plugin.wasm, a component. Needs node and npm; the compiler comes with `npm install`, or is on the PATH.
set -eu
cd "$(dirname "$0")"
if [ -x node_modules/.bin/componentize-qjs ]; then
  compiler=node_modules/.bin/componentize-qjs
elif command -v componentize-qjs > /dev/null; then
  compiler=componentize-qjs
else
  npm install --no-fund --no-audit --silent
  compiler=node_modules/.bin/componentize-qjs
fi
mkdir -p build
"$compiler" --wit wit --world project --js plugin.js --sync --opt-size --output build/plugin.wasm > build/log 2>&1 || { cat build/log >&2; exit 1; }
