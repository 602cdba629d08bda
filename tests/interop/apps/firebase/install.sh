#!/usr/bin/env bash
# In: TARGET, a folder to fill. Out: in it, this app and its packages, in the versions of package-lock.json; beside
# it, a cache of npm's. Nothing else is written, so HOME may be empty. Not here: how the app is started.
set -euo pipefail

if [ $# -ne 1 ]; then
  echo "usage: $0 TARGET" >&2
  exit 2
fi
for tool in node npm; do
  if ! command -v "$tool" >/dev/null; then
    echo "$0: $tool is missing: the Firebase app needs Node 20 or newer, with npm" >&2
    exit 1
  fi
done

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
target=$(cd "$1" && pwd)
cp "$here"/package*.json "$here"/*.mjs "$here"/../js/flows.cjs "$target"/
cd "$target"
cmp -s "$here/package-lock.json" installed.json && exit
rm -f installed.json
# No optional packages: they are Firestore, storage and telemetry of Google Cloud, two thirds of the whole.
# One that Genkit calls optional and always imports stands in package.json.
npm install --no-save --cache "$(dirname "$target")/npm-cache" --omit=dev --omit=optional --ignore-scripts \
  --no-audit --no-fund --no-update-notifier --loglevel=error
cp "$here/package-lock.json" installed.json
