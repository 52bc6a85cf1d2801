#!/usr/bin/env bash
# Installs clang with its WebAssembly linker and wasi-libc from Debian. Does nothing when they are there.
set -euo pipefail
if ! command -v clang-19 > /dev/null || ! command -v wasm-ld-19 > /dev/null || [ ! -e /usr/lib/wasm32-wasi/libc.a ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32 > /dev/null
fi
