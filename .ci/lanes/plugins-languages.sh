#!/usr/bin/env bash
# Plugins in JavaScript, Python, C and Rust: made from the templates, built by the real tool chains, packed, and tried in the real host.
set -euo pipefail
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
root=$PWD
export BEFFROI_TOOLS=${BEFFROI_TOOLS:-$root/target/tools}
work=$root/target/templates
export CARGO_TARGET_DIR=$work/cargo
cargo build -q -p beffroi --target-dir "$root/target"
beffroi=$root/target/debug/beffroi
path=$(bash .ci/tools/javascript.sh):$(bash .ci/tools/python.sh)
bash .ci/tools/c.sh
bash .ci/tools/c-bindings.sh --check
export PATH=$path:$PATH

try() {
  local language=$1 kind=$2
  local project=$work/$language-$kind kept=$work/compiled-$language-$kind
  # What was compiled is found again by its digest when nothing has changed.
  mkdir -p "$work"
  [ ! -d "$project/build/compiled" ] || { rm -rf "$kept"; mv "$project/build/compiled" "$kept"; }
  rm -rf "$project"
  "$beffroi" plugin new "$kind" "my-$kind" --lang "$language" --dir "$project" > /dev/null
  [ ! -d "$kept" ] || { mkdir -p "$project/build"; mv "$kept" "$project/build/compiled"; }
  (
    cd "$project"
    ./build.sh
    [ "$language" != rust ] || cargo test -q > cargo-test.log 2>&1 || { cat cargo-test.log; exit 1; }
    "$beffroi" plugin test --json > card.json || { "$beffroi" plugin test; exit 1; }
    "$beffroi" plugin pack --json > pack.json
    # A package is tried like a component; it is other bytes, and so it is compiled once more.
    [ "$language" != c ] || "$beffroi" plugin test "build/my-$kind-0.1.0.wasm" > /dev/null
  ) || fail "a $kind in $language"
  python3 - "$project" "$language" "$kind" <<'PY'
import json, sys
project, language, kind = sys.argv[1:]
card, pack = json.load(open(f"{project}/card.json")), json.load(open(f"{project}/pack.json"))
verdicts = [case["verdict"] for case in card["cases"]]
assert "failed" not in verdicts and verdicts.count("passed") >= 5, card
assert "recording" in [case["ability"] for case in card["cases"]], "no recording was played"
print(f"  {language} {kind}: {verdicts.count('passed')} cases, {pack['bytes'] // 1024} KiB")
PY
}

for language in c javascript rust; do
  for kind in channel source catalog generator notifier workflow; do try "$language" "$kind"; done
done
# An interpreter takes long to compile: the two kinds that differ most.
for kind in channel source; do try python "$kind"; done

# A plugin that repeats a post blindly does not pass, and the card says why.
broken=$work/broken
rm -rf "$broken"
"$beffroi" plugin new channel broken --lang c --dir "$broken" > /dev/null
sed -i 's/\.idempotency_key = delivery, \.body = &body}/.body = \&body, .harmless = true}/; s/put_json(&body, \*delivery);/put(\&body, "1");/' "$broken/plugin.c"
grep -q 'harmless = true};$' "$broken/plugin.c" && ! grep -q idempotency_key "$broken/plugin.c" || fail "the template has changed; break it in another way"
(cd "$broken" && ./build.sh)
if "$beffroi" plugin test "$broken" > "$broken/card.txt"; then fail "a channel that repeats blindly passed"; fi
grep -q "can publish twice" "$broken/card.txt" || fail "the card does not say why: $(cat "$broken/card.txt")"
echo "plugins-languages: ok"
