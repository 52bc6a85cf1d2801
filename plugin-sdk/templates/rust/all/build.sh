#!/bin/sh
# Makes build/plugin.wasm, a component. Needs Rust by rustup.
set -eu
cd "$(dirname "$0")"
sysroot=$(rustc --print sysroot)
[ -d "$sysroot/lib/rustlib/wasm32-wasip2" ] || rustup target add wasm32-wasip2
target=${CARGO_TARGET_DIR:-target}
cargo build --quiet --profile plugin --target wasm32-wasip2 --target-dir "$target"
mkdir -p build
cp "$target/wasm32-wasip2/plugin/{{crate}}.wasm" build/plugin.wasm
