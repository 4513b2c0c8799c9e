#!/usr/bin/env bash
# What each feature brings and what it costs, as a table: src/guide/features.md.
#
#   benches/features.sh            writes the table
#   benches/features.sh --check    fails if the table is not what it would write
#
# What a feature brings is the comment above it in Cargo.toml; what it costs is counted by cargo tree.
set -euo pipefail
cd "$(dirname "$0")/.."
table=src/guide/features.md

# FEATURES: how many crates they build besides modelgate itself.
crates() {
    cargo tree --locked --edges normal --prefix none --no-dedupe "$@" |
        sed 's/ (.*//' | sort -u | grep -vc '^modelgate '
}

core=$(crates --no-default-features)
default=$(sed -n 's/^default = \[\(.*\)\]/\1/p' Cargo.toml | tr -d '" ' | tr ',' ' ')
write() {
    echo "| feature | default | what it brings | crates it adds to the $core of the core |"
    echo "|---|---|---|---|"
    local about="" line name
    sed -n '/^\[features\]/,/^\[dependencies\]/p' Cargo.toml | while read -r line; do
        case "$line" in
        "#"*) about="${line#\# }" ;;
        default*|\[*|"") ;;
        *)
            name="${line%% =*}"
            case " $default " in *" $name "*) is=yes ;; *) is="" ;; esac
            echo "| \`$name\` | $is | $about | $(($(crates --no-default-features --features "$name") - core)) |"
            ;;
        esac
    done
    echo
    echo "All defaults together build $(crates) crates, everything $(crates --all-features), the crate itself"
    echo "not counted (\`benches/features.sh\`)."
}

case "${1:-}" in
--check) write | diff "$table" - || { echo "$table is out of date: run benches/features.sh"; exit 1; } ;;
*) write >"$table" ;;
esac
