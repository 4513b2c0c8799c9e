#!/usr/bin/env bash
# Opens every kept page in headless Chromium, at three widths, light and dark, under the content
# security policy that the documentation gives, and lets axe-core look for barriers.
#
#   bash tests/report/browser.sh FOLDER [SCREENSHOTS [PAGES]]
#
# FOLDER is where what it needs is installed; PAGES are other pages than the kept ones. Chromium comes from the distribution's packages.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:?expected the folder to install into}
mkdir -p "$folder"
if ! command -v chromium >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
fi
cp "$here/package.json" "$here/package-lock.json" "$here/browser.mjs" "$folder/"
(cd "$folder" && npm ci --silent --no-audit --no-fund)
node "$folder/browser.mjs" "${3:-$here/golden}" ${2:+"$2"}
