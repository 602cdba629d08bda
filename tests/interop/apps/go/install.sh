#!/usr/bin/env bash
# Builds the interop app over Genkit's Go server.
#
# In: which release ("newest" or "older", each pinned by the go.mod in the folder of that name) and the folder
# to install into. Out: TARGET/app, an executable that needs neither Go nor the sources any more.
# Whatever Go downloads and compiles stays in the folder go-cache beside TARGET, and makes a second run short.
set -euo pipefail

if [ $# -ne 2 ] || { [ "$1" != newest ] && [ "$1" != older ]; }; then
  echo "usage: install.sh newest|older TARGET" >&2
  exit 2
fi
if ! command -v go >/dev/null; then
  echo "install.sh: no 'go' on PATH: install Go 1.25 or newer to build the Go interop app" >&2
  exit 1
fi

sources=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$2"
target=$(cd "$2" && pwd)
cache=$(dirname "$target")/go-cache

export GOPATH=$cache/path GOMODCACHE=$cache/modules GOCACHE=$cache/build
export XDG_CONFIG_HOME=$cache/config GOENV=off GOWORK=off GOTOOLCHAIN=local CGO_ENABLED=0
# The module cache is read-only unless asked otherwise, and then rm -r fails on it.
export GOFLAGS="-modcacherw -mod=readonly -trimpath"

cp "$sources"/*.go "$sources/$1/go.mod" "$sources/$1/go.sum" "$target/"
cd "$target"
go build -ldflags="-s -w" -o app .
