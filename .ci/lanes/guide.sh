#!/usr/bin/env bash
# The guide for authors of plugins, walked by its own words in a fresh clone: every indented line of it is a command. Ten minutes at most.
set -euo pipefail
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
cargo build -q -p beffroi
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone -q --no-hardlinks "$root" "$work/clone"
# What was not committed yet counts, too.
cp plugin-sdk/GUIDE.md "$work/clone/plugin-sdk/GUIDE.md"
mkdir "$work/bin" "$work/home"
cp target/debug/beffroi "$work/bin/"
grep '^    ' "$work/clone/plugin-sdk/GUIDE.md" | sed 's/^    //' > "$work/commands"
[ "$(wc -l < "$work/commands")" -ge 10 ] || fail "the guide has hardly any commands"
begin=$(date +%s)
(
  cd "$work/home"
  unset CARGO_TARGET_DIR RUSTFLAGS
  export PATH=$work/bin:$PATH
  timeout 600 bash -euo pipefail -x "$work/commands" > "$work/out" 2>&1
) || { cat "$work/out" >&2; fail "a command of the guide does not work, or the guide takes more than ten minutes"; }
took=$(($(date +%s) - begin))
grep -q ", 0 failed" "$work/out" || fail "no card was shown"
tail -n 12 "$work/out" | grep -q "village-news" || { cat "$work/out" >&2; fail "the plugin is not in the list"; }
echo "guide: ok, $((took / 60)) min $((took % 60)) s"
