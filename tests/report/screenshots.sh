#!/usr/bin/env bash
# Pictures of a bad, an equal and a better rollout, for docs/ and the README: the axum example rolls v2
# out by itself, made-up users ask, and its page is kept at the moment that tells most.
#
#   bash tests/report/screenshots.sh FOLDER
#
# FOLDER is where what it needs is installed, and where the pages stay as they were, for
# `browser.sh`. Chromium and pngquant come from the distribution's packages.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
folder=${1:?expected the folder to install into}
mkdir -p "$folder/pages"
folder=$(cd "$folder" && pwd)
for program in chromium pngquant; do
  if ! command -v "$program" >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$program" fonts-dejavu-core >/dev/null
  fi
done
cp "$here/package.json" "$here/package-lock.json" "$here/browser.mjs" "$here/screenshots.mjs" "$folder/"
(cd "$folder" && npm ci --silent --no-audit --no-fund)
cd "$repository"
cargo build --locked --all-features --example axum
service=
trap '[ -z "$service" ] || kill "$service"' EXIT
port=18080
for rollout in bad equal better; do
  port=$((port + 1))
  place=$(mktemp -d)
  MODELGATE_ADDR=127.0.0.1:$port MODELGATE_ROLLOUT=$rollout MODELGATE_TRAFFIC=150 \
    MODELGATE_COMPARISONS="$place/comparisons.jsonl" RUST_LOG=error \
    target/debug/examples/axum >/dev/null &
  service=$!
  node "$folder/screenshots.mjs" "http://127.0.0.1:$port" "$rollout" "$folder"
  kill "$service"
  wait "$service" || true
  service=
  rm -r "$place"
  pngquant --force --strip --quality 60-95 --output "docs/report-$rollout.png" "$folder/report-$rollout.png"
done
ls -l docs/report-*.png
