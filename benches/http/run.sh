#!/usr/bin/env bash
# Measures the axum example over HTTP on the loopback; see README.md beside this file.
set -euo pipefail
cd "$(dirname "$0")/../.."

SECONDS_EACH="${SECONDS_EACH:-5}"   # one measurement
ROUNDS="${ROUNDS:-5}"               # measurements of each kind, in turn; their median is shown
PORT="${PORT:-18080}"
PARTS="${*:-cpu shadow busy}"

if ! command -v wrk >/dev/null; then
  if [ "${MODELGATE_INSTALL:-}" = 1 ] && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && apt-get install -qq -y wrk >/dev/null
  else
    echo "wrk: found nothing, expected Debian's package: apt-get install wrk" >&2
    echo "(as root, MODELGATE_INSTALL=1 $0 installs it)" >&2
    exit 1
  fi
fi

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
cargo build --release --quiet --manifest-path benches/http/Cargo.toml
programs=$CARGO_TARGET_DIR/release
folder="$(mktemp -d)"
server=""
stop() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=""
  fi
}
trap 'stop; rm -rf "$folder"' EXIT

export MODELGATE_ADDR="127.0.0.1:$PORT"
export MODELGATE_FLAGS="$folder/flags.json"
export MODELGATE_COMPARISONS="$folder/comparisons.jsonl"
export MODELGATE_ROWS=examples/models/digits_heldout.csv

cores="$(nproc)"
# Server and client each on their own half of the cores; on a single core they share it.
if [ "$cores" -gt 1 ]; then
  on_server="taskset -c 0-$((cores / 2 - 1))"
  on_client="taskset -c $((cores / 2))-$((cores - 1))"
  client_threads=$((cores - cores / 2))
else
  on_server="" on_client="" client_threads=1
fi

# flags TARGETING SHADOW
flags() {
  cat >"$folder/flags.new" <<JSON
{"flags": {
  "ml-model-version": {"state": "ENABLED", "variants": {"v1": "v1", "v2": "v2"},
    "defaultVariant": "v1", "targeting": $1},
  "shadow-mode-v2": {"state": "ENABLED", "variants": {"on": true, "off": false},
    "defaultVariant": "$2"}}}
JSON
  mv "$folder/flags.new" "$MODELGATE_FLAGS"
}
quarter='{"fractional": [["v2", 25], ["v1", 75]]}'

start() { # start PIN PROGRAM
  stop
  $1 "$programs/$2" >/dev/null 2>"$folder/log" &
  server=$!
  for _ in $(seq 200); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; then return; fi
    kill -0 "$server" 2>/dev/null || break
    sleep 0.05
  done
  echo "$2 did not start:" >&2
  cat "$folder/log" >&2
  exit 1
}

cpu_ticks() { sed 's/.*) //' "/proc/$server/stat" | awk '{print $12 + $13}'; }

# measure CONNECTIONS [DELAY_MS]: requests/s, p50 us, p99 us, errors, server CPU us a request
measure() {
  local threads=$client_threads before after result
  [ "$1" -ge "$threads" ] || threads=$1
  before="$(cpu_ticks)"
  result="$(MODELGATE_DELAY="${2:-0}" $on_client wrk -t "$threads" -c "$1" -d "${SECONDS_EACH}s" \
    -s benches/http/ask.lua "http://$MODELGATE_ADDR" | grep '^RESULT')"
  after="$(cpu_ticks)"
  echo "$result" | awk -v ticks="$((after - before))" -v hz="$(getconf CLK_TCK)" \
    '{printf "%.0f %d %d %d %.2f\n", $2 / $3 * 1e6, $4, $5, $6, ticks / hz * 1e6 / $2}'
}

# median FILE COLUMN
median() { awk -v c="$2" '{print $c}' "$1" | sort -n | awk '{v[NR] = $1} END {print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.3f", a / b}'; }

warm_up() { SECONDS_EACH=1 measure 16 >/dev/null; }

model_time() { # the mean over versions of the median service time, weighted by answers, in us
  exec 3<>"/dev/tcp/127.0.0.1/$PORT"
  printf 'GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&3
  tail -1 <&3 | tr '{' '\n' | awk -F'[:,}]' '
    /"p50_us"/ {for (i = 1; i < NF; i++) {if ($i ~ /"count"/) n = $(i + 1); if ($i ~ /"p50_us"/) t = $(i + 1)} sum += n * t; all += n}
    END {printf "%.2f", sum / all}'
  exec 3>&-
}

echo "$(date -u +%Y-%m-%d), $cores cores, $(uname -sr), $(rustc --version | cut -d' ' -f1-2)," \
  "$ROUNDS rounds of $SECONDS_EACH s, medians"

case " $PARTS " in *" cpu "*)
  flags "$quarter" off
  for round in $(seq "$ROUNDS"); do
    for program in constant bare axum; do
      for connections in 1 16 64; do
        # A new process each time: the models' own time is that of this very load.
        if [ "$program" = bare ]; then
          MODELGATE_BARE=1 start "$on_server" constant
        else
          start "$on_server" "$program"
        fi
        SECONDS_EACH=1 measure "$connections" >/dev/null
        measure "$connections" >>"$folder/cpu.$program.$connections"
        if [ "$program" = axum ]; then
          model_time >>"$folder/model.$connections"
          echo >>"$folder/model.$connections"
        fi
      done
    done
  done
  stop
  echo
  echo "### Server CPU per request: the axum example (25 % v2, shadow off) and a constant answer"
  echo
  echo "Model: the median service time that the router itself measured under that load."
  echo "Aim: at most 1.3 x constant + model."
  echo
  echo "| connections | constant, us CPU | constant + bare model | service | model, us | (service - model) / constant | service / (constant + bare model) | constant p50 / p99, us | service p50 / p99, us | constant, requests/s | service, requests/s |"
  echo "|---|---|---|---|---|---|---|---|---|---|---|"
  for connections in 1 16 64; do
    model="$(median "$folder/model.$connections" 1)"
    c="$folder/cpu.constant.$connections" s="$folder/cpu.axum.$connections"
    cc="$(median "$c" 5)" sc="$(median "$s" 5)" bc="$(median "$folder/cpu.bare.$connections" 5)"
    echo "| $connections | $cc | $bc | $sc | $model | $(ratio "$(awk -v a="$sc" -v b="$model" 'BEGIN {print a - b}')" "$cc") | $(ratio "$sc" "$bc") | $(median "$c" 2) / $(median "$c" 3) | $(median "$s" 2) / $(median "$s" 3) | $(median "$c" 1) | $(median "$s" 1) |"
  done
  echo
  echo "Failed requests: $(cat "$folder"/cpu.* | awk '{n += $4} END {print n + 0}')"
esac

case " $PARTS " in *" shadow "*)
  flags null off
  start "$on_server" shadowed
  warm_up
  full="$(measure 64 | cut -d' ' -f1)"
  # At half load 64 connections wait so long between requests that they make half as many.
  half_delay="$(awk -v full="$full" 'BEGIN {print 64 / (full / 2) * 1000}')"
  for round in $(seq "$ROUNDS"); do
    for shadow in off on; do
      flags null "$shadow"
      sleep 0.5
      measure 64 "$half_delay" >>"$folder/shadow.half.$shadow"
      measure 64 >>"$folder/shadow.full.$shadow"
    done
  done
  stop
  echo
  echo "### A detached shadow of every request, ten times as slow as the version that answers"
  echo
  echo "Budget: ${MODELGATE_BUDGET:-none}${MODELGATE_BUDGET:+ % of a core}. Aim: p99 moves by at most 5 %."
  echo
  echo "| load | p99 off, us | p99 on, us | on / off | p50 off / on, us | requests/s off / on | us CPU a request off / on |"
  echo "|---|---|---|---|---|---|---|"
  for load in half full; do
    off="$folder/shadow.$load.off" on="$folder/shadow.$load.on"
    echo "| $load | $(median "$off" 3) | $(median "$on" 3) | $(ratio "$(median "$on" 3)" "$(median "$off" 3)") | $(median "$off" 2) / $(median "$on" 2) | $(median "$off" 1) / $(median "$on" 1) | $(median "$off" 5) / $(median "$on" 5) |"
  done
  echo
  echo "p99 in each round, off then on: half $(paste -d/ <(cut -d' ' -f3 "$folder/shadow.half.off") <(cut -d' ' -f3 "$folder/shadow.half.on") | tr '\n' ' ') full $(paste -d/ <(cut -d' ' -f3 "$folder/shadow.full.off") <(cut -d' ' -f3 "$folder/shadow.full.on") | tr '\n' ' ')"
esac

case " $PARTS " in *" busy "*)
  echo
  echo "### /healthz while eight clients keep a 20 ms model busy, on all $cores cores"
  echo
  echo "Aim: p99 under 10 ms."
  echo
  echo "| model runs | /healthz p50, ms | p99, ms | worst, ms | predictions/s |"
  echo "|---|---|---|---|---|"
  for place in pool handler; do
    if [ "$place" = handler ]; then export MODELGATE_IN_PLACE=1; else unset MODELGATE_IN_PLACE; fi
    start "" busy
    wrk -t 1 -c 8 -d "$((SECONDS_EACH + 2))s" -s benches/http/post.lua \
      "http://$MODELGATE_ADDR/predict" >"$folder/predictions" &
    clients=$!
    sleep 1
    wrk -t 1 -c 1 -d "${SECONDS_EACH}s" -s benches/http/look.lua \
      "http://$MODELGATE_ADDR/healthz" | awk -v place="$place" \
      '/^RESULT/ {printf "| %s | %.2f | %.2f | %.2f |", place, $2 / 1000, $3 / 1000, $4 / 1000}'
    wait "$clients"
    awk '/Requests\/sec/ {printf " %.0f |\n", $2}' "$folder/predictions"
  done
  stop
esac
