#!/usr/bin/env bash
# Installs one JavaScript app.
# In: VARIANT (express, express-cjs, express-older, next) and TARGET, a folder.
# Out: TARGET holds the sources and their dependencies, the folder above it the npm cache. Nothing is written
# elsewhere. Where the lock file is unchanged, only sources are copied.
set -euo pipefail

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

[ $# -eq 2 ] || fail "usage: install.sh express|express-cjs|express-older|next TARGET"
case $1 in
    express | express-cjs) manifest=express sources=express ;;
    express-older) manifest=express-older sources=express ;;
    next) manifest=next sources=next ;;
    *) fail "no variant '$1': express, express-cjs, express-older, next" ;;
esac
for tool in node npm; do
    command -v "$tool" >/dev/null || fail "no $tool here: these apps need Node.js 20 or newer, with npm"
done
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 20 ] || fail "Node.js $(node --version) is too old: 20 or newer"

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2"
target=$(cd "$2" && pwd)

# Scripts of dependencies are not run: none of these needs them. Optional ones are left out, hundreds of
# megabytes: exporters of a telemetry that no test uses, and Next's native compiler and image library. (Not
# `npm ci`: it wants these in the lock file, also those that the registry has no more.)
if ! cmp -s "$here/$manifest/package-lock.json" "$target/installed.json"; then
    rm -rf "$target/installed.json"
    cp "$here/$manifest"/package*.json "$target/"
    (
        cd "$target"
        npm install --no-save --cache "$(dirname "$target")/npm-cache" --omit=dev --omit=optional --ignore-scripts \
            --no-audit --no-fund --no-update-notifier --loglevel=error
    ) >&2
    cp "$here/$manifest/package-lock.json" "$target/installed.json"
fi
cp "$here"/*.cjs "$here/$sources"/*.?js "$target/"
