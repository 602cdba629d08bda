#!/usr/bin/env bash
# Gets nginx and haproxy for the tests of `make faults`.
#
# In: the folder to fill. Out: FOLDER/bin/nginx and FOLDER/bin/haproxy, ready to run.
# The machine's own are used where it has both; else Debian's packages are unpacked into the folder. Nothing is
# installed, nothing outside of the folder is written, and no root is needed.
set -euo pipefail
exec </dev/null

folder=${1:?usage: install_proxies.sh FOLDER}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
PATH=$PATH:/usr/sbin:/sbin # where packages put servers, and where PATH seldom looks

runs() {
    "$1/nginx" -v >/dev/null 2>&1 && "$1/haproxy" -v >/dev/null 2>&1
}

give_up() {
    echo "error: $1" >&2
    echo "Install nginx and haproxy so that they are on PATH, and run this again." >&2
    echo "'make test' needs neither of them." >&2
    exit 1
}

# wrap NAME COMMAND…: a program FOLDER/bin/NAME that becomes another one, by lines of shell.
wrap() {
    mkdir -p "$folder/bin"
    printf '%s\n' '#!/usr/bin/env bash' "${@:2}" >"$folder/bin/$1"
    chmod +x "$folder/bin/$1"
}

# apt with lists and a cache of its own, so that old lists, locks and hooks of the machine do not matter.
own_apt() {
    apt-get --config-file "$work/apt.conf" --quiet=2 "$@"
}

download() {
    work=$(mktemp -d "$folder/work.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    cat >"$work/apt.conf" <<CONFIGURATION
Dir::State::Lists "$work/lists";
Dir::Cache "$work/cache";
Debug::NoLocking "true";
APT::Sandbox::User "root";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
CONFIGURATION
    own_apt update || return 1
    # Only what this machine lacks of their dependencies comes along.
    own_apt install --download-only --reinstall --yes --no-install-recommends nginx haproxy || return 1
    for package in "$work"/cache/archives/*.deb; do
        dpkg -x "$package" "$folder/root" || return 1
    done
}

# unpacked NAME: wrap a program that was unpacked, with the libraries beside it, wherever the folder is moved.
unpacked() {
    wrap "$1" 'root=$(dirname "$0")/../root' \
        'export LD_LIBRARY_PATH=$(printf "%s:" "$root"/usr/lib "$root"/usr/lib/*-linux-* "$root"/lib/*-linux-*)' \
        "exec \"\$root/usr/sbin/$1\" \"\$@\""
}

if runs "$folder/bin"; then
    exit 0
fi
if nginx=$(command -v nginx) && haproxy=$(command -v haproxy); then
    wrap nginx "exec '$nginx' \"\$@\""
    wrap haproxy "exec '$haproxy' \"\$@\""
elif command -v apt-get >/dev/null && command -v dpkg >/dev/null; then
    echo "Unpacking nginx and haproxy into $folder …" >&2
    rm -rf "$folder/root"
    download || give_up "Debian's packages of nginx and haproxy could not be had (see above)."
    unpacked nginx
    unpacked haproxy
else
    give_up "this machine has neither nginx and haproxy nor apt to get them."
fi
runs "$folder/bin" || give_up "the nginx and haproxy in $folder/bin do not run."
