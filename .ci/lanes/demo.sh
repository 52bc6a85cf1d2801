#!/usr/bin/env bash
# The README's first command, as a newcomer types it: once through, then running, looked at over its socket with curl, and stopped.
set -euo pipefail
work=$(mktemp -d)
daemon=
cleanup() { [ -z "$daemon" ] || kill -KILL "$daemon" 2>/dev/null || true; rm -rf "$work"; }
trap cleanup EXIT
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

cargo build -q -p beffroi
beffroi=$PWD/target/debug/beffroi

"$beffroi" demo --dir "$work/once" --once --json > "$work/once.json"
python3 - "$work/once.json" <<'PY'
import json, os, sys
report = json.load(open(sys.argv[1]))
assert [run["workflow"] for run in report["runs"]] == ["digest", "promotions", "rotation", "trends", "vitrine"], report["runs"]
assert all(run["state"] == "done" for run in report["runs"]), report["runs"]
assert report["online"] and all(os.path.exists(post["file"]) for post in report["online"]), report["online"]
assert report["to_approve"], "no draft waits for a yes"
assert any("puis" in (post["reason"] or "") for post in report["held"]), report["held"]
assert os.path.getsize(report["digest"]) > 2000, report["digest"]
PY

begin=$(date +%s)
"$beffroi" demo --dir "$work/on" > "$work/out" 2> "$work/err" &
daemon=$!
export BEFFROI_SOCKET="$work/on/beffroi.sock"
for _ in $(seq 100); do
  grep -q Ctrl-C "$work/out" && break
  kill -0 "$daemon" 2>/dev/null || { cat "$work/err" >&2; fail "the demo ended by itself"; }
  sleep 0.1
done
grep -q Ctrl-C "$work/out" || fail "the demo did not report within ten seconds"
[ $(($(date +%s) - begin)) -le 10 ] || fail "the first round took more than ten seconds"
curl -sf --unix-socket "$BEFFROI_SOCKET" http://localhost/v1/status | python3 -m json.tool > /dev/null
curl -sf --unix-socket "$BEFFROI_SOCKET" http://localhost/metrics | grep -q '^beffroi_' || fail "no metrics"
[ "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$BEFFROI_SOCKET" -H 'Origin: https://evil.example' http://localhost/v1/status)" = 403 ] ||
  fail "a request from a web page was answered"
"$beffroi" run rotation --wait --json | python3 -c 'import json,sys; run=json.load(sys.stdin); assert run["state"]=="done" and "effects" in run, run'
draft=$("$beffroi" posts --json | python3 -c 'import json,sys; print(next(p["id"] for p in json.load(sys.stdin) if p["state"]=="held" and p["approval"]=="needed"))')
"$beffroi" approve "$draft" > /dev/null
"$beffroi" why "$draft" | grep -q . || fail "why says nothing"
kill -INT "$daemon"
wait "$daemon" || fail "the demo did not stop cleanly on Ctrl-C"
daemon=
[ ! -e "$BEFFROI_SOCKET" ] || fail "the socket was left behind"
echo "demo: ok"
