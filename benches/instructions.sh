#!/usr/bin/env bash
# Instructions per decision, ours and the official crates', counted by callgrind.
#
#   benches/instructions.sh                              every dialect's table
#   benches/instructions.sh launchdarkly                 one dialect's
#   benches/instructions.sh launchdarkly rule 100        one row of it: DIALECT RULES FLAGS
#   benches/instructions.sh launchdarkly rule 100 set    one contender: DIALECT RULES FLAGS WHO
#   benches/instructions.sh launchdarkly rule 5000 all ingest    taking in a definition
#   benches/instructions.sh launchdarkly rule 5000 all update    taking in a change of one flag
#
# The figures of a decision are averages over users in turn, with the context made beforehand, and in
# brackets with it made for each decision. Only what is named is counted, once everything is warm.
# Counts do not depend on how busy the machine is.
set -euo pipefail
cd "$(dirname "$0")/peers"

if ! command -v valgrind >/dev/null; then
    echo "valgrind is missing; on Debian: apt-get install valgrind" >&2
    exit 1
fi

features=()
if ! command -v protoc >/dev/null && [ -z "${PROTOC:-}" ]; then
    echo "protoc is missing (Debian: apt-get install protobuf-compiler):" \
        "flagd's provider is left out, its engine stays" >&2
    features=(--no-default-features --features launchdarkly-client,unleash-client,flagsmith-client)
fi
cargo build --release --quiet --bin instructions "${features[@]}"
binary="${CARGO_TARGET_DIR:-target}/release/instructions"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# DIALECT RULES FLAGS [WHO [WHAT]]: lines of WHO, WHAT and instructions each time.
count() {
    rm -f "$work"/*
    # A profile of its own for each time through the function, numbered from 1.
    valgrind --tool=callgrind --callgrind-out-file="$work/profile" \
        --toggle-collect='instructions::counted' --dump-after='instructions::counted' \
        "$binary" "$@" >"$work/lines" 2>"$work/errors" || { cat "$work/errors" >&2; exit 1; }
    local number=0 who what times
    while read -r who what times; do
        number=$((number + 1))
        local total
        total=$(sed -n 's/^\(summary\|totals\): \([0-9]*\).*/\2/p' "$work/profile.$number" | tail -1)
        echo "$who $what $((total / times))"
    done <"$work/lines"
}

# DIALECT RULES FLAGS: a row of the table.
row() {
    count "$@" | awk -v rules="$2" -v flags="$3" '
        { if ($2 == "prebuilt") { names[++n] = $1; made[n] = $3 } else anew[n] = $3 }
        END {
            printf "| %s | %s |", rules, flags
            for (i = 1; i <= n; i++) printf " %s: %d (%d) |", names[i], made[i], anew[i]
            printf "\n"
        }'
}

if [ $# -ge 3 ]; then
    count "$@"
    exit
fi

for dialect in ${1:-flagd launchdarkly unleash flagsmith}; do
    printf '\n### %s\n\n' "$dialect"
    for rules in split rule ten; do
        for flags in 1 100 5000; do
            row "$dialect" "$rules" "$flags"
        done
    done
done
