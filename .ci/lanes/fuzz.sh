#!/usr/bin/env bash
# Every fuzz target for ten seconds, from the kept corpus on; tests/fuzz/README.md has the long run. SECONDS_EACH says how long each.
set -euo pipefail
seconds=${SECONDS_EACH:-10}
targets=${*:-cron config feed csv library manifest admin}
if ! command -v rustup > /dev/null || ! rustup toolchain list | grep -q '^nightly'; then
  echo "fuzz: SKIPPED: the instrumentation needs a nightly compiler and this machine has none (rustup toolchain install nightly)."
  echo "fuzz: what fuzzing found and the kept corpus were read all the same, by: cargo test -p beffroi-tests --test fuzzed"
  exit 0
fi
root=$PWD
export PATH=$root/target/tools/bin:$PATH
command -v cargo-fuzz > /dev/null || cargo install cargo-fuzz --locked --quiet --root "$root/target/tools"
# Folders are made and thrown away thousands of times a second: in memory, where there is such a place.
[ -d /dev/shm ] && export TMPDIR=/dev/shm
# No unsafe code is ours, so no sanitizer; assertions and overflow checks are on.
fuzz=(--dev --sanitizer none --fuzz-dir tests/fuzz --target-dir "$root/target/fuzz")
cargo +nightly fuzz build "${fuzz[@]}"
for target in $targets; do
  new=$root/target/fuzz-corpus/$target
  mkdir -p "$new"
  # What it finds lies in tests/fuzz/artifacts; what it learns lies in the target folder.
  log=$root/target/fuzz-corpus/$target.log
  cargo +nightly fuzz run "${fuzz[@]}" "$target" "$new" "$root/tests/fuzz/corpus/$target" -- \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 > "$log" 2>&1 ||
    { tail -n 40 "$log" >&2; echo "FAILED: the fuzz target $target found something; see tests/fuzz/README.md" >&2; exit 1; }
  echo "fuzz: $target: $(grep -o 'Done [0-9]* runs in [0-9]* second' "$log")s"
done
