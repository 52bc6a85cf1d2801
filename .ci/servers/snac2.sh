#!/usr/bin/env bash
# A genuine snac2: an ActivityPub server that speaks Mastodon's interface in its own way (it ignores Idempotency-Key).
#
#   snac2.sh install               into the cache, quiet when it is there
#   snac2.sh start DATA PORT       installs if need be, starts empty, returns when it answers
#   snac2.sh account DATA USER     makes an account; prints {"user", "token"}
#   snac2.sh stop DATA
. "$(dirname "$0")/common.sh"
mark=snac2-trixie
snac=$cache/snac2/root/usr/bin/snac

# The package comes from Debian 13, whatever this machine runs, through a package manager set up aside: from the same
# archive as the machine's own packages, with the machine's keys, and without touching what the machine has installed.
install_all() {
  local own=$cache/snac2/apt
  rm -rf "$cache/snac2"
  mkdir -p "$own/lists/partial" "$own/archives/partial" "$own/none"
  : > "$own/status"
  local archive
  archive=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(SUITE)' 'Created-By: Packages' |
    awk '!/security/ && $1 ~ /\/debian\/?$/ { print $1; exit }')
  [ -n "$archive" ] || fail "no Debian archive among this machine's package sources; snac2.sh needs Debian"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive trixie main" > "$own/sources"
  cat > "$own/apt.conf" <<CONF
Dir::State "$own"; Dir::State::lists "$own/lists"; Dir::State::status "$own/status";
Dir::Cache "$own"; Dir::Cache::archives "$own/archives";
Dir::Etc::sourcelist "$own/sources"; Dir::Etc::sourceparts "$own/none"; Dir::Etc::preferencesparts "$own/none";
APT::Sandbox::User ""; Acquire::Languages "none"; Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
CONF
  export APT_CONFIG=$own/apt.conf
  apt-get update -qq
  cd "$cache/snac2"
  apt-get download -qq snac2
  dpkg-deb -x snac2_*.deb root
  rm -rf "$own/lists" snac2_*.deb
  { "$snac" 2>&1 || true; } | grep -i snac
}

case ${1:-} in
  install-all) install_all ;;
  install) once "$mark" install-all ;;
  start)
    [ $# = 3 ] || fail "say: snac2.sh start DATA PORT"
    mkdir -p "$2"
    data=$(cd "$2" && pwd)
    ! running "$data" || fail "a server runs on $data already; stop it first"
    once "$mark" install-all
    rm -rf "$data/snac"
    # What it asks, in order: address, port, host name, path, mail of the administrator.
    printf '%s\n' 127.0.0.1 "$3" "127.0.0.1:$3" '' admin@example.test | "$snac" init "$data/snac" > "$data/log" 2>&1
    # Threads that wait for the outside, which there is none of here, must not keep requests waiting.
    python3 - "$data/snac/server.json" <<'PY'
import json, sys
path = sys.argv[1]
settings = json.load(open(path)) | {"protocol": "http", "short_description": "A server for tests.", "num_threads": 24}
json.dump(settings, open(path, "w"), indent=2)
PY
    setsid "$snac" httpd "$data/snac" >> "$data/log" 2>&1 < /dev/null &
    echo $! > "$data/pid"
    wait_for "$data" "http://127.0.0.1:$3/"
    ;;
  account)
    [ $# = 3 ] || fail "say: snac2.sh account DATA USER"
    running "$2" || fail "no server runs on $2"
    password=$("$snac" adduser "$2/snac" "$3" 2>&1 < /dev/null | tee -a "$2/log" | sed -n "s/.*password is '\{0,1\}\([^' ]*\).*/\1/p")
    [ -n "$password" ] || fail "the account $3 could not be made; see $2/log"
    python3 - "$2/snac/server.json" "$3" "$password" <<'PY'
import json, re, sys, urllib.parse, urllib.request
settings, user, password = json.load(open(sys.argv[1])), *sys.argv[2:]
base = f"http://{settings['address']}:{settings['port']}"
class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_): return None
opener = urllib.request.build_opener(Stay)
def call(path, **fields):
    try:
        return opener.open(base + path, urllib.parse.urlencode(fields).encode())
    except urllib.error.HTTPError as answer:
        if answer.code not in (302, 303): sys.exit(f"FAILED: {path}: {answer.code} {answer.read().decode()}")
        return answer
back = "urn:ietf:wg:oauth:2.0:oob"
app = json.load(call("/api/v1/apps", client_name="beffroi", redirect_uris=back, scopes="read write"))
page = call("/oauth/x-snac-login", login=user, passwd=password, redir=back, cid=app["client_id"], state="")
code = re.search(r"code=([0-9a-f]+)", page.headers.get("Location", "")) or re.search(r"[0-9a-f]{16,}", page.read().decode())
if not code: sys.exit("FAILED: the login gave no code")
code = code.group(1) if code.re.groups else code.group(0)
token = json.load(call("/oauth/token", grant_type="authorization_code", code=code, client_id=app["client_id"],
                       client_secret=app["client_secret"], redirect_uri=back, scope="read write"))
print(json.dumps({"user": user, "token": token["access_token"]}))
PY
    ;;
  stop)
    [ $# = 2 ] || fail "say: snac2.sh stop DATA"
    stop "$2"
    ;;
  *) fail "say: snac2.sh install | start DATA PORT | account DATA USER | stop DATA" ;;
esac
