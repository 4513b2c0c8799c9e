#!/usr/bin/env bash
# Predictions at full load on two threads while flags change ten times a second and every server is
# restarted every thirty seconds, for ten minutes or as many seconds as the argument says. Fails when
# one answer was wrong, one prediction failed, or memory grew.
set -euo pipefail
cd "$(dirname "$0")/../tests/sources"
exec cargo run --release --locked --quiet --bin soak -- "${1:-600}"
