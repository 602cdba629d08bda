#!/usr/bin/env bash
# Install one Python app: bash install.sh VARIANT TARGET
#
# In: fastapi, flask, older or plain-fastapi; an empty or absent folder; PYTHON (python3 by default).
# Out: TARGET/venv and TARGET/src. Nothing outside of TARGET is written; a second call changes nothing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
variant=$1
mkdir -p "$2"
target=$(cd "$2" && pwd)
requirements=$here/requirements-$variant.txt

[ -f "$requirements" ] || { echo "no such variant: $variant" >&2; exit 2; }

mkdir -p "$target/src"
cp "$here"/*.py "$target/src/"

if cmp -s "$requirements" "$target/installed.txt"; then
    exit 0
fi
"${PYTHON:-python3}" -m venv --clear "$target/venv"
"$target/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --requirement "$requirements"
cp "$requirements" "$target/installed.txt"
