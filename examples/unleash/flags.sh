#!/usr/bin/env bash
# Makes the two toggles of the example, in the environment `development`:
# `ml-model-version` is on for a quarter of the users and gives half of them v1, half of them v2;
# `shadow-mode-v2` is on in two regions.
set -euo pipefail

url=${UNLEASH_URL:-http://127.0.0.1:4242/api}
token=${UNLEASH_ADMIN_TOKEN:-*:*.try-it}
features=$url/admin/projects/default/features

call() {
  local empty='{}'
  curl --silent --show-error --fail --output /dev/null --request POST "$1" \
    --header "Authorization: $token" --header "Content-Type: application/json" --data "${2:-$empty}"
}

make() {
  call "$features" "{\"name\": \"$1\", \"type\": \"release\"}"
  call "$features/$1/environments/development/strategies" "$2"
  call "$features/$1/environments/development/on"
  echo "made $1"
}

make ml-model-version '{
  "name": "flexibleRollout", "constraints": [],
  "parameters": {"rollout": "25", "stickiness": "userId", "groupId": "ml-model-version"},
  "variants": [
    {"name": "v1", "weight": 500, "weightType": "variable", "stickiness": "userId"},
    {"name": "v2", "weight": 500, "weightType": "variable", "stickiness": "userId"}]}'
make shadow-mode-v2 '{
  "name": "flexibleRollout",
  "constraints": [{"contextName": "region", "operator": "IN", "values": ["eu-west-1", "us-east-1"]}],
  "parameters": {"rollout": "100", "stickiness": "default", "groupId": "shadow-mode-v2"}}'
