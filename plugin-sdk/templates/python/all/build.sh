#!/bin/sh
# Makes build/plugin.wasm, a component. Needs Python 3.10 or newer; the compiler is installed into .venv, or is on the PATH.
set -eu
cd "$(dirname "$0")"
if [ -x .venv/bin/componentize-py ]; then
  compiler=.venv/bin/componentize-py
elif command -v componentize-py > /dev/null; then
  compiler=componentize-py
else
  python3 -m venv .venv
  .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
  compiler=.venv/bin/componentize-py
fi
mkdir -p build
"$compiler" --quiet --wit-path wit --world project componentize --python-path . --output build/plugin.wasm app > build/log 2>&1 || { cat build/log >&2; exit 1; }
