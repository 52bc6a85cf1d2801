#!/bin/sh
# Makes build/plugin.wasm, a component. Needs clang with its WebAssembly linker and wasi-libc (on Debian: clang-19 lld-19 wasi-libc
# libclang-rt-19-dev-wasm32), and wasm-component-ld, which comes with Rust by rustup.
set -eu
cd "$(dirname "$0")"
first() { for name in "$@"; do command -v "$name" && return; done; return 1; }
clang=${CLANG:-$(first clang-19 clang-20 clang-21 clang)} || { echo "clang is not there: apt-get install clang-19 lld-19" >&2; exit 1; }
linker=${WASM_LD:-$(first wasm-ld-19 wasm-ld-20 wasm-ld-21 wasm-ld)} || { echo "wasm-ld is not there: apt-get install lld-19" >&2; exit 1; }
componentize=${WASM_COMPONENT_LD:-$(first wasm-component-ld || true)}
if [ -z "$componentize" ]; then
  host=$(rustc -vV | sed -n 's/^host: //p')
  componentize="$(rustc --print sysroot)/lib/rustlib/$host/bin/wasm-component-ld"
fi
[ -x "$componentize" ] || { echo "wasm-component-ld is not there: install Rust by rustup, or set WASM_COMPONENT_LD" >&2; exit 1; }
mkdir -p build
for file in plugin beffroi bindings/project; do
  "$clang" --target=wasm32-wasi -std=c17 -Oz -Wall -Werror=implicit -I. -c "$file.c" -o "build/$(basename "$file").o"
done
lib=$("$clang" --target=wasm32-wasi -print-file-name=libc.a)
runtime=$("$clang" --target=wasm32-wasi -print-libgcc-file-name)
"$componentize" --wasm-ld-path "$linker" --wasi-adapter none --no-entry --gc-sections --strip-debug \
  build/plugin.o build/beffroi.o build/project.o bindings/project_component_type.o "$lib" "$runtime" -o build/plugin.wasm
