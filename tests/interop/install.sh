#!/usr/bin/env bash
# Installs the apps of the interoperability suite: exact versions, into the folder it is given and nowhere else.
# In: a folder. Out: an app in each of its folders, as `interop_expected.py` starts them; and Redocly, which reads what
# they are described by. What an app needs is said by the app's own `install.sh`. An app that is installed, and unchanged since, is left alone.
set -euo pipefail
mkdir -p "$1"
target=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/apps"

for runtime in go node npm; do
    command -v "$runtime" >/dev/null ||
        { echo "error: '$runtime' is missing: the real servers need Go, and Node 20 or later" >&2; exit 1; }
done

# Two installations at once would spoil each other's folders. Where there is no `flock`, one takes care oneself.
exec 9>"$target/lock"
if command -v flock >/dev/null && ! flock --nonblock 9; then
    echo "Waiting for another installation into $target …" >&2
    flock 9
fi

install_app() { # its folder in apps/, its folder in the target, words for its own install.sh
    local app=$1 folder=$target/$2 sources
    # With their names; firebase shares the flows of js.
    sources=$(find "$app" js/*.cjs -type f -not -path '*/__pycache__/*' -print0 | sort -zu | xargs -0 cksum | cksum)
    [[ -d $folder && -f $folder.installed && $(<"$folder.installed") == "$sources" ]] && return
    rm -f "$folder.installed" # the folder stays: where only sources changed, its packages are kept
    echo "Installing the interop app $2 …" >&2
    bash "$app/install.sh" "${@:3}" "$folder" >"$folder.log" 2>&1 ||
        { echo "error: the interop app $2 could not be installed:" >&2; tail -n 40 "$folder.log" >&2; return 1; }
    echo "$sources" >"$folder.installed"
}

# Two at a time: one mostly compiles, the others mostly wait for the network.
(
    install_app go go-newest newest
    install_app go go-older older
) &
compiling=$!
trap 'wait "$compiling" || true' EXIT # however this one ends, nothing goes on writing behind it
for variant in express express-cjs express-older next; do install_app js "$variant" "$variant"; done
install_app firebase firebase
install_app redocly redocly
for variant in fastapi flask older plain-fastapi; do install_app python "python-$variant" "$variant"; done
wait "$compiling"
