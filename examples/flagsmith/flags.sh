#!/usr/bin/env bash
# Makes an account on a new Flagsmith server (`try-it@example.com`, password `modelgate-try-it-1`), and
# what the example needs there: a project, an environment, a server-side key, which it says, and two
# features. `ml-model-version` is `v2` for a quarter of the users and `v1` for the rest;
# `shadow-mode-v2` is on.
set -euo pipefail

url=${FLAGSMITH_URL:-http://127.0.0.1:8000/api/v1}
token=

# Answers what the server does.
call() {
  local authorization=()
  [ -z "$token" ] || authorization=(--header "Authorization: Token $token")
  curl --silent --show-error --fail --request POST "$url/$1" "${authorization[@]}" \
    --header "Content-Type: application/json" --data "$2"
}

# A member of the answer on standard input; the first of its name.
member() {
  grep -oE "\"$1\": ?(\"[^\"]*\"|[0-9]+)" | head -n 1 | sed -E 's/^[^:]*: ?"?//; s/"$//'
}

token=$(call auth/users/ '{
  "email": "try-it@example.com", "password": "modelgate-try-it-1",
  "first_name": "Try", "last_name": "It"}' | member key)
organisation=$(call organisations/ '{"name": "modelgate"}' | member id)
project=$(call projects/ "{\"name\": \"fraud\", \"organisation\": $organisation}" | member id)
environment=$(call environments/ "{\"name\": \"Production\", \"project\": $project}" | member api_key)
key=$(call "environments/$environment/api-keys/" '{"name": "example"}' | member key)

feature=$(call "projects/$project/features/" '{
  "name": "ml-model-version", "type": "MULTIVARIATE", "initial_value": "v1",
  "default_enabled": true}' | member id)
call "projects/$project/features/$feature/mv-options/" "{
  \"feature\": $feature, \"type\": \"unicode\", \"string_value\": \"v2\",
  \"default_percentage_allocation\": 25}" >/dev/null
echo "made ml-model-version"
call "projects/$project/features/" '{
  "name": "shadow-mode-v2", "type": "STANDARD", "default_enabled": true}' >/dev/null
echo "made shadow-mode-v2"

echo "export FLAGSMITH_URL=$url FLAGSMITH_SERVER_KEY=$key"
