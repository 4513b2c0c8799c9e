#!/usr/bin/env bash
# Servers for a rollout's state: Redis and PostgreSQL (Debian), moto as S3 (PyPI), Azurite as Azure Blob Storage
# (npm), all on loopback only. What is missing is installed, by apt-get as root or with sudo.
#
#   tests/servers/stores.sh start FOLDER            installs, starts, and prints what to `eval` to reach them
#   tests/servers/stores.sh kill FOLDER SERVER      as a crash would: redis, postgresql, s3 or azure
#   tests/servers/stores.sh revive FOLDER SERVER    starts it anew at the same place
#   tests/servers/stores.sh stop FOLDER             ends them and forgets their data; the packages stay
set -euo pipefail

. "$(dirname "$0")/common.sh"

moto_version=5.2.5
azurite_version=3.37.0

[ $# -ge 2 ] || fail "found $# arguments, expected start, stop, kill or revive, and a folder"
action=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
servers=(redis postgresql s3 azure)

port() {
  [ -s "$folder/$1.port" ] || free_port >"$folder/$1.port"
  noted "$1.port"
}

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$(port "$1")") 2>/dev/null; }

# Starts what follows as a server, with its output in a log, and remembers its number.
serve() {
  local server=$1
  shift
  "$@" >>"$folder/$server.log" 2>&1 </dev/null &
  echo $! >"$folder/$server.pid"
  until_true answers "$server" || fail "$server does not answer: $folder/$server.log"
}

revive() {
  case $1 in
    redis)
      command -v redis-server >/dev/null || install_packages redis-server
      mkdir -p "$folder/redis"
      serve redis redis-server --bind 127.0.0.1 --port "$(port redis)" --dir "$folder/redis" \
        --appendonly yes --appendfsync always --save ''
      ;;
    postgresql)
      [ -n "$(database_programs)" ] || install_packages postgresql
      local programs data
      programs=$(database_programs)
      if [ ! -s "$folder/postgresql.data" ]; then
        data=$(mktemp -d)
        [ "$(id -u)" != 0 ] || chown postgres "$data"
        echo "$data" >"$folder/postgresql.data"
        (cd "$data" && as_database_user "$programs/initdb" --pgdata=cluster --username=postgres --auth=trust --encoding=UTF8) \
          >"$folder/postgresql.log" 2>&1 || fail "no database could be made: $folder/postgresql.log"
      fi
      data=$(noted postgresql.data)
      (cd "$data" && as_database_user "$programs/pg_ctl" start --wait --timeout=60 --pgdata=cluster --log=database.log \
        --options="-c listen_addresses=127.0.0.1 -c port=$(port postgresql) -c unix_socket_directories=''") \
        >>"$folder/postgresql.log" 2>&1 </dev/null || fail "the database did not start: $data/database.log"
      head -n 1 "$data/cluster/postmaster.pid" >"$folder/postgresql.pid"
      ;;
    s3)
      if [ "$(noted moto/installed)" != "$moto_version" ]; then
        { python3 -m venv "$folder/moto" && "$folder/moto/bin/pip" -q install "moto[server,s3]==$moto_version"; } \
          >"$folder/pip.log" 2>&1 || fail "moto could not be installed: $folder/pip.log"
        echo "$moto_version" >"$folder/moto/installed"
      fi
      serve s3 "$folder/moto/bin/moto_server" -H 127.0.0.1 -p "$(port s3)"
      # It keeps everything in memory: what it is killed with is forgotten, the bucket too.
      curl --silent --fail --output /dev/null --retry 5 --retry-all-errors \
        -X PUT -H 'Authorization: AWS4-HMAC-SHA256 Credential=of-the-tests/20260101/us-east-1/s3/aws4_request' \
        "http://127.0.0.1:$(port s3)/modelgate" || fail "no bucket could be made"
      ;;
    azure)
      if [ "$(noted azurite/installed)" != "$azurite_version" ]; then
        command -v npm >/dev/null || install_packages npm
        mkdir -p "$folder/azurite"
        echo '{"private": true}' >"$folder/azurite/package.json"
        (cd "$folder/azurite" && npm install --ignore-scripts --no-audit --no-fund "azurite@$azurite_version") \
          >"$folder/npm.log" 2>&1 || fail "Azurite could not be installed: $folder/npm.log"
        echo "$azurite_version" >"$folder/azurite/installed"
      fi
      mkdir -p "$folder/azure"
      serve azure node "$folder/azurite/node_modules/azurite/dist/src/blob/main.js" --silent --skipApiVersionCheck \
        --blobHost 127.0.0.1 --blobPort "$(port azure)" --location "$folder/azure"
      make_container
      ;;
    *) fail "found server \`$1\`, expected one of ${servers[*]}" ;;
  esac
}

# The account that every Azurite has; its key is published.
make_container() {
  python3 - "http://127.0.0.1:$(port azure)/devstoreaccount1/modelgate?restype=container" <<'PYTHON'
import base64, email.utils, hashlib, hmac, sys, urllib.error, urllib.request
url = sys.argv[1]
key = base64.b64decode(
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==")
headers = {"x-ms-date": email.utils.formatdate(usegmt=True), "x-ms-version": "2021-08-06", "Content-Length": "0"}
path = "/devstoreaccount1/devstoreaccount1/modelgate"
named = "".join(f"{name}:{headers[name]}\n" for name in ("x-ms-date", "x-ms-version"))
signed = "PUT" + "\n" * 12 + named + path + "\nrestype:container"
mac = base64.b64encode(hmac.new(key, signed.encode(), hashlib.sha256).digest()).decode()
headers["Authorization"] = f"SharedKey devstoreaccount1:{mac}"
try:
    urllib.request.urlopen(urllib.request.Request(url, method="PUT", headers=headers))
except urllib.error.HTTPError as error:
    if error.code != 409:  # it is there already
        sys.exit(f"no container could be made: {error.code} {error.read()}")
PYTHON
}

# Only a process that this script started, and that still is the one it started.
is_ours() {
  local program
  case $1 in s3) program=moto_server ;; azure) program=azurite ;; redis) program=redis-server ;; *) program=postgres ;; esac
  runs "$(noted "$1.pid")" "$program"
}

not_ours() { ! is_ours "$1"; }

kill_server() {
  if is_ours "$1"; then
    # PostgreSQL ends at once by SIGQUIT, and its children with it.
    local signal=KILL
    [ "$1" != postgresql ] || signal=QUIT
    kill "-$signal" "$(cat "$folder/$1.pid")"
    until_true not_ours "$1" || fail "$1 does not end"
  fi
  rm -f "$folder/$1.pid"
}

case $action in
  start)
    for server in "${servers[@]}"; do is_ours "$server" || revive "$server" >&2; done
    printf 'export %s=%q\n' STORES_FOLDER "$folder" REDIS_URL "redis://127.0.0.1:$(port redis)/" \
      POSTGRESQL_ADDRESS "host=127.0.0.1 port=$(port postgresql) user=postgres dbname=postgres" \
      S3_URL "http://127.0.0.1:$(port s3)" AZURITE_BLOB_STORAGE_URL "http://127.0.0.1:$(port azure)"
    ;;
  kill) kill_server "${3:?a server}" ;;
  revive) revive "${3:?a server}" ;;
  stop)
    for server in "${servers[@]}"; do kill_server "$server"; done
    [ ! -s "$folder/postgresql.data" ] || rm -rf "$(cat "$folder/postgresql.data")"
    rm -rf "$folder"/{redis,azure} "$folder"/*.port "$folder/postgresql.data"
    ;;
  *) fail "found \`$action\`, expected start, stop, kill or revive" ;;
esac
