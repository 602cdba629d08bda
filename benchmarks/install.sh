#!/usr/bin/env bash
# Installs the JavaScript client that is measured beside ours.
# In: TARGET, a folder. Out: its packages in there, at exact versions, and nothing written elsewhere. Nothing is
# done where they are installed already.
set -euo pipefail

fail() {
    echo "error: $*" >&2
    exit 1
}

[ $# -eq 1 ] || fail "usage: install.sh TARGET"
for tool in node npm; do
    command -v "$tool" >/dev/null || fail "'$tool' is missing: Genkit's JavaScript client needs Node 20 or later, with npm"
done
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 20 ] || fail "Node.js $(node --version) is too old: 20 or later"

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
target=$(cd "$1" && pwd)
cmp -s "$here/package-lock.json" "$target/installed.json" && exit 0

# Not `npm ci`: it wants the optional packages of the lock file too, hundreds of megabytes of telemetry.
rm -f "$target/installed.json"
cp "$here/package.json" "$here/package-lock.json" "$target/"
cd "$target"
echo "Installing Genkit's JavaScript client …" >&2
npm install --no-save --cache "$target/npm-cache" --omit=dev --omit=optional --ignore-scripts \
    --no-audit --no-fund --no-update-notifier --loglevel=error >&2
cp "$here/package-lock.json" "$target/installed.json"
