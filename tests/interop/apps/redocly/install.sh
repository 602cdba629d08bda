#!/usr/bin/env bash
# In: TARGET, a folder to fill. Out: in it, Redocly's command, in the version of package-lock.json; beside it, a cache
# of npm's. Nothing else is written, so HOME may be empty. Not here: what it is asked.
set -euo pipefail

if [ $# -ne 1 ]; then
  echo "usage: $0 TARGET" >&2
  exit 2
fi

mkdir -p "$1"
target=$(cd "$1" && pwd)
cp "$(dirname "${BASH_SOURCE[0]}")"/package*.json "$target"/
cd "$target"
npm ci --cache "$(dirname "$target")/npm-cache" --omit=dev --omit=optional --ignore-scripts \
  --no-audit --no-fund --no-update-notifier --loglevel=error
