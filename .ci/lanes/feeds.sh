#!/usr/bin/env bash
# Feeds over real HTTP, from a real server with validators: conditional requests, redirects into nowhere, private addresses.
set -euo pipefail
command -v nginx > /dev/null || { apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nginx-light > /dev/null; }
work=$(mktemp -d)
server=
cleanup() { [ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"; }
trap cleanup EXIT
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
cargo build -q -p beffroi
beffroi=$PWD/target/debug/beffroi
mkdir -p "$work/www" "$work/tmp"
"$beffroi" demo --dir "$work/sample" --once --json > /dev/null
cp "$work"/sample/feeds/* "$work/www/"
chmod -R a+rX "$work"
port=38471
cat > "$work/nginx.conf" <<CONF
daemon off; pid $work/nginx.pid; error_log $work/error.log;
events {}
http {
  access_log $work/access.log; client_body_temp_path $work/tmp; proxy_temp_path $work/tmp; fastcgi_temp_path $work/tmp; uwsgi_temp_path $work/tmp; scgi_temp_path $work/tmp;
  server { listen 127.0.0.1:$port; root $work/www; location /away { return 302 http://127.0.0.1:9/; } }
}
CONF
nginx -c "$work/nginx.conf" &
server=$!
for _ in $(seq 50); do curl -s -o /dev/null "http://127.0.0.1:$port/" && break; sleep 0.1; done
read_feed() { "$beffroi" feed "http://127.0.0.1:$port/$1" --allow-private "127.0.0.1:$port" --json; }
for feed in metier.xml ville.xml concurrents.json; do
  over_http=$(read_feed "$feed" | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))')
  from_file=$("$beffroi" feed "$work/www/$feed" --json | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))')
  [ "$over_http" = "$from_file" ] && [ "$over_http" -gt 5 ] || fail "$feed: $over_http over HTTP, $from_file from the file"
done
if "$beffroi" feed "http://127.0.0.1:$port/metier.xml" --json 2> "$work/refused"; then fail "a private address was read without leave"; fi
grep -q allow_private "$work/refused" || fail "the refusal does not name the remedy: $(cat "$work/refused")"
if read_feed away 2> "$work/refused"; then fail "a redirect to a private address was followed"; fi
# A daemon that reads twice asks the second time only whether something changed.
python3 - "$work" "$port" <<'PY'
import sys
work, port = sys.argv[1:]
path = f"{work}/sample/beffroi.toml"
text = open(path).read()
for name in ("metier.xml", "ville.xml", "concurrents.json"):
    text = text.replace(f'file = "feeds/{name}"', f'url = "http://127.0.0.1:{port}/{name}"')
text = text.replace("[limits]", f'[limits]\nallow_private = ["127.0.0.1:{port}"]')
open(path, "w").write(text)
PY
: > "$work/access.log"; kill -USR1 "$(cat "$work/nginx.pid")" 2>/dev/null || true
"$beffroi" demo --dir "$work/sample" --once --json > /dev/null
"$beffroi" demo --dir "$work/sample" --once --json > /dev/null
[ "$(grep -c '" 304 ' "$work/access.log")" -ge 3 ] || { cat "$work/access.log" >&2; fail "no conditional request was answered with 304"; }
echo "feeds: ok"
