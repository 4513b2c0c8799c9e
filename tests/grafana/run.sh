#!/usr/bin/env bash
# The Grafana board as those read it who show it: its form by Grafana's own types, its queries by the
# parser of Prometheus' own interface. (Its metrics and labels: tests/grafana.rs.)
#
#   bash tests/grafana/run.sh FOLDER
#
# FOLDER is where what it needs is installed. Needs Go and Node.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:?expected the folder to install into}
mkdir -p "$folder"
python3 "$here/../../docs/grafana.py"
git -C "$here/../.." diff --exit-code --stat docs/grafana.json
(cd "$here" && go run . ../../docs/grafana.json)
cp "$here/package.json" "$here/package-lock.json" "$here/promql.mjs" "$folder/"
(cd "$folder" && npm ci --silent --no-audit --no-fund)
node "$folder/promql.mjs" "$here/../../docs/grafana.json"
