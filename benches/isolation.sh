#!/usr/bin/env bash
# What a shadow of every request, by a candidate ten times slower, costs the live answers while every
# default is in place: a line each case, `NAME p99_off_us p99_on_us ratio`, medians of rounds of two
# seconds that take turns.
#
#   quota    under a cgroup quota of half a processor (needs the right to make a cgroup)
#   batched  the live version and the shadow behind one `Batched`
#   stdout   a subscriber that writes to the standard output, a line a request and the comparisons
#   panics   a candidate that panics at every call, with RUST_BACKTRACE=1
#
# benches/isolation.sh [seconds of each case, 60]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
out=$(mktemp -d)
group=

clean() {
  rm -rf "$out"
  if [ -n "$group" ]; then rmdir "$group" 2>/dev/null || true; fi
}
trap clean EXIT

bench=$(cargo bench --locked --bench isolation --no-default-features --no-run --message-format=json 2>/dev/null |
  sed -n 's/.*"executable":"\([^"]*isolation-[^"]*\)".*/\1/p' | tail -n 1)
[ -x "$bench" ] || { echo "the bench does not build: cargo bench --bench isolation --no-run" >&2; exit 1; }

# A group with a quota of 50 ms in each 100: version 1 of cgroups, or version 2.
limit() {
  local name=modelgate-isolation-$$
  if [ -w /sys/fs/cgroup/cpu/cpu.shares ] && mkdir "/sys/fs/cgroup/cpu/$name" 2>/dev/null; then
    group=/sys/fs/cgroup/cpu/$name
    echo 100000 >"$group/cpu.cfs_period_us"
    echo 50000 >"$group/cpu.cfs_quota_us"
  elif [ -f /sys/fs/cgroup/cgroup.controllers ] && mkdir "/sys/fs/cgroup/$name" 2>/dev/null; then
    group=/sys/fs/cgroup/$name
    if ! echo "50000 100000" 2>/dev/null >"$group/cpu.max"; then
      rmdir "$group"
      group=
    fi
  fi
}

report() {
  head -n 1 "$out/$1"
  if [ -n "${ISOLATION_COUNTS:-}" ]; then tail -n +2 "$out/$1"; fi
}

limit
if [ -n "$group" ]; then
  # The shell that becomes the bench moves itself.
  GROUP=$group bash -c 'echo $$ >"$GROUP/cgroup.procs"; exec "$@"' quota "$bench" quota "$seconds" "$out/quota"
  report quota
else
  echo "quota skipped: no cgroup can be made here (be root, or run it in a container with a limit)" >&2
fi
"$bench" batched "$seconds" "$out/batched"
report batched
# A pipe, as in a container.
"$bench" stdout "$seconds" "$out/stdout" | cat >/dev/null
report stdout
RUST_BACKTRACE=1 "$bench" panics "$seconds" "$out/panics" 2>"$out/stderr"
report panics
