#!/usr/bin/env bash
# Instructions per decision, ours and the official Rust provider's, counted by callgrind.
#
#   benches/instructions.sh                     the table
#   benches/instructions.sh router rule 100     one figure: WHO RULES FLAGS
#
# Each figure is the difference between a run of 2N decisions and one of N, divided by N: start-up
# and compiling cancel out. Counts do not depend on how busy the machine is.
set -euo pipefail
cd "$(dirname "$0")/peers"

if ! command -v valgrind >/dev/null; then
    echo "valgrind is missing; on Debian: apt-get install valgrind" >&2
    exit 1
fi

features=()
contenders=(set flags router engine provider)
if ! command -v protoc >/dev/null && [ -z "${PROTOC:-}" ]; then
    echo "protoc is missing (Debian: apt-get install protobuf-compiler):" \
        "the provider is left out, its engine stays" >&2
    features=(--no-default-features)
    contenders=(set flags router engine)
fi
cargo build --release --quiet --bin instructions "${features[@]}"
binary="${CARGO_TARGET_DIR:-target}/release/instructions"

collected() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$binary" "$1" "$2" "$3" "$4" 2>&1 |
        sed -n 's/^==.*Collected : \([0-9]*\).*/\1/p'
}

# WHO RULES FLAGS
per_decision() {
    local count=20000
    case $1 in engine | provider) count=400 ;; esac
    local once twice
    once=$(collected "$1" "$2" "$3" $count)
    twice=$(collected "$1" "$2" "$3" $((2 * count)))
    echo $(((twice - once) / count))
}

if [ $# -eq 3 ]; then
    per_decision "$1" "$2" "$3"
    exit
fi

printf '| rules | flags |'
printf ' %s |' "${contenders[@]}"
printf '\n|---|---|'
printf -- '---|%.0s' "${contenders[@]}"
printf '\n'
for rules in split rule ten; do
    for flags in 1 100 5000; do
        printf '| %s | %s |' "$rules" "$flags"
        for who in "${contenders[@]}"; do
            printf ' %s |' "$(per_decision "$who" "$rules" "$flags")"
        done
        printf '\n'
    done
done
