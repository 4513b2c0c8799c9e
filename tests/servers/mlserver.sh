#!/usr/bin/env bash
# A real MLServer (PyPI) with two small scikit-learn models, `iris` and `digits`, on loopback only.
#
#   tests/servers/mlserver.sh start FOLDER   installs what is missing, starts what is not running,
#                                            and prints what to `eval` to reach it
#   tests/servers/mlserver.sh kill FOLDER    as a crash would; `start` brings it back, on the same ports
#   tests/servers/mlserver.sh stop FOLDER    ends it; the packages stay
#
# FOLDER keeps the packages (1 GB), the models, the answers scikit-learn gives to their rows, and the log.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"

[ $# = 2 ] || fail "found $# arguments, expected start, kill or stop, and a folder"
action=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)

server_runs() { runs "$(noted server.pid)" mlserver; }

server_ended() { ! server_runs; }

# MLServer 1.7 and the packages beside it run on Python 3.10 to 3.12.
python_program() {
  local name
  for name in python3 python3.12 python3.11 python3.10; do
    if "$name" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
      echo "$name"
      return
    fi
  done
}

install() {
  local packages="$here/mlserver/requirements.txt" python
  cmp --silent "$packages" "$folder/installed" && return
  python=$(python_program)
  [ -n "$python" ] || fail "found no Python of 3.10 to 3.12, which MLServer needs"
  {
    "$python" -m venv --clear "$folder/venv"
    "$folder/venv/bin/pip" install --disable-pip-version-check --requirement "$packages"
  } >"$folder/pip.log" 2>&1 || fail "MLServer could not be installed: $folder/pip.log"
  cp "$packages" "$folder/installed"
}

healthy() { curl --silent --fail --max-time 5 --output /dev/null "$url/v2/models/iris/ready"; }

healthy_or_dead() { healthy || server_ended; }

start() {
  [ -s "$folder/models/iris/rows.json" ] \
    || "$folder/venv/bin/python" "$here/mlserver/train.py" "$folder/models" >"$folder/train.log" 2>&1 \
    || fail "the models could not be trained: $folder/train.log"
  for port in port grpc-port metrics-port; do
    [ -s "$folder/$port" ] || free_port >"$folder/$port"
  done
  url="http://127.0.0.1:$(noted port)"
  if ! server_runs; then
    (
      export MLSERVER_HOST=127.0.0.1 MLSERVER_HTTP_PORT="$(noted port)"
      export MLSERVER_GRPC_PORT="$(noted grpc-port)" MLSERVER_METRICS_PORT="$(noted metrics-port)"
      # In one process: no workers are left behind when it is killed.
      export MLSERVER_PARALLEL_WORKERS=0 MLSERVER_METRICS_DIR="$folder/metrics"
      mkdir -p "$folder/metrics"
      cd "$folder"
      exec venv/bin/mlserver start models
    ) >"$folder/server.log" 2>&1 </dev/null &
    echo $! >"$folder/server.pid"
  fi
  until_true healthy_or_dead && healthy || fail "MLServer did not start: $folder/server.log"
}

end() {
  local pid
  pid=$(noted server.pid)
  if server_runs; then
    kill "-$1" "$pid"
    until_true server_ended || fail "MLServer ($pid) does not end"
  fi
  rm -f "$folder/server.pid"
}

case $action in
  start)
    install
    start
    printf 'export %s=%q\n' MLSERVER_URL "$url" MLSERVER_GRPC_URL "http://127.0.0.1:$(noted grpc-port)" \
      MLSERVER_MODEL iris MLSERVER_ROWS "$folder/models/iris/rows.json" MLSERVER_FOLDER "$folder"
    ;;
  kill) end KILL ;;
  stop)
    end TERM
    rm -f "$folder/port" "$folder/grpc-port" "$folder/metrics-port"
    ;;
  *) fail "found \`$action\`, expected start, kill or stop" ;;
esac
