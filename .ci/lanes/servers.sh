#!/usr/bin/env bash
# The channels against genuine servers: Bluesky's own, and one that resembles Mastodon. The first time installs them.
set -euo pipefail
servers=$PWD/.ci/servers
work=$(mktemp -d)
cleanup() {
  "$servers/bluesky.sh" stop "$work/bluesky" || true
  "$servers/snac2.sh" stop "$work/snac2" || true
  rm -rf "$work"
}
trap cleanup EXIT

RATE_LIMITS=1 "$servers/bluesky.sh" start "$work/bluesky" 38583 38582
"$servers/snac2.sh" start "$work/snac2" 38605
read -r handle password < <("$servers/bluesky.sh" account 38583 "atelier-$RANDOM.test" | python3 -c 'import json,sys; a=json.load(sys.stdin); print(a["handle"], a["password"])')
token=$("$servers/snac2.sh" account "$work/snac2" atelier | python3 -c 'import json,sys; print(json.load(sys.stdin)["token"])')
export BEFFROI_LIVE_BLUESKY=http://127.0.0.1:38583 BEFFROI_LIVE_BLUESKY_HANDLE=$handle BEFFROI_LIVE_BLUESKY_PASSWORD=$password
export BEFFROI_LIVE_MASTODON=http://127.0.0.1:38605 BEFFROI_LIVE_MASTODON_TOKEN=$token
# One at a time: both count the posts of one account.
cargo test -q -p beffroi-plugin-bluesky -p beffroi-plugin-mastodon --test live -- --ignored --test-threads 1
# The same servers, from the whole engine.
export BEFFROI_LIVE_BLUESKY_DATA=$work/bluesky BEFFROI_LIVE_MASTODON_DATA=$work/snac2
cargo test -q -p beffroi-tests --test genuine -- --ignored --nocapture
echo "servers: ok"
