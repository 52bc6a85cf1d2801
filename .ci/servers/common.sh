# What the scripts of this folder share. Sourced, never run.
#
# The cache holds what takes minutes to install; it is safe to delete and made again when asked for.
set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${BEFFROI_SERVERS:-$project/target/servers}

fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

# Installs packages of the machine's own system when a command is missing: needs COMMAND PACKAGE...
needs() {
  command -v "$1" > /dev/null && return
  shift
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@"; } > /dev/null ||
    fail "this lane needs the packages $*: install them and try again"
}

# Runs "$2..." once for the mark $1, one process at a time; what it says is kept and shown only when it fails.
once() {
  local mark=$cache/$1
  shift
  [ ! -e "$mark" ] || return 0
  mkdir -p "$cache"
  (
    flock 9
    [ ! -e "$mark" ] || exit 0
    printf 'installing %s into %s: this takes minutes, once\n' "$(basename "$mark")" "$cache" >&2
    # A process of its own: inside the condition of an `if`, bash would ignore `set -e`.
    bash "$0" "$@" > "$mark.log" 2>&1 9>&- || { tail -n 40 "$mark.log" >&2; fail "the installation failed; all of it is in $mark.log"; }
    touch "$mark"
  ) 9> "$mark.lock"
}

# Whether the server of the data folder $1 runs.
running() { [ -s "$1/pid" ] && kill -0 "$(cat "$1/pid")" 2> /dev/null; }

# Waits until the server of the data folder $1 answers at the address $2.
wait_for() {
  for _ in $(seq 300); do
    curl -s -o /dev/null --max-time 2 "$2" && return
    running "$1" || break
    sleep 0.2
  done
  tail -n 20 "$1/log" >&2
  fail "no answer at $2; the server's last words are above, all of them in $1/log"
}

# Stops the server of the data folder $1, if it runs; its data stays.
stop() {
  running "$1" || { rm -f "$1/pid"; return 0; }
  local pid
  pid=$(cat "$1/pid")
  kill "$pid" 2> /dev/null || true
  for _ in $(seq 50); do kill -0 "$pid" 2> /dev/null || break; sleep 0.1; done
  kill -KILL "$pid" 2> /dev/null || true
  rm -f "$1/pid"
}
