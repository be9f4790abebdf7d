#!/bin/sh
# Install the Debian packages that tests compare with or start. Quick and silent where they are there already.
# Elsewhere (not Debian, not root) it names what is missing, and those tests skip; on CI a missing package is an error.
# Where another program holds apt's locks (a machine that has just started updates itself), it waits: LUNGSPOT_APT_WAIT
# seconds, 600 if not given.
set -eu

missing=""
want() { # program, Debian package
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

want dcmdjpeg dcmtk # reference decoders: tests/images compares every lossless syntax with them
want dciodvfy dicom3tools # tests/report: every DICOM object that we write passes its checks
[ -x /usr/sbin/Orthanc ] || want Orthanc orthanc # tests/node: the archive that sends films and takes results
[ -e /usr/share/orthanc/plugins/libOrthancDicomWeb.so ] || missing="$missing orthanc-dicomweb" # its DICOMweb
want strace strace # tests/test_network.py: what every verb asks the system for
# The browser of tests/serve/viewer: without a screen it takes half the processor of the whole one, which will do.
command -v chromium >/dev/null 2>&1 || want chromium-headless-shell chromium-headless-shell

[ -n "$missing" ] || exit 0

fail() {
    echo "system packages: $1" >&2
    [ "${CI:-}" = true ] && exit 1
    exit 0
}

command -v apt-get >/dev/null 2>&1 || fail "please install$missing; the tests that need them are skipped"
[ "$(id -u)" = 0 ] || fail "please run: sudo apt-get install$missing; the tests that need them are skipped"

export DEBIAN_FRONTEND=noninteractive
patience=${LUNGSPOT_APT_WAIT:-600}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

apt() { # apt-get, once nobody else is at it: dpkg's lock waits by option, those of the lists and the cache do not
    until apt-get -o DPkg::Lock::Timeout="$patience" "$@" >"$log" 2>&1; do
        grep -q 'Could not get lock\|Unable to lock' "$log" && [ "$patience" -gt 0 ] || return 1
        echo "system packages: another program holds apt's lock; waiting" >&2
        sleep 5
        patience=$((patience - 5))
    done
}

echo "system packages: installing$missing" >&2
# The package lists may be old or absent; they are fetched only when an installation without them fails.
for attempt in with-lists after-update; do
    [ "$attempt" = with-lists ] || apt update -q || true
    # shellcheck disable=SC2086 # a list of words
    apt install -y -q --no-install-recommends $missing && exit 0
done
tail -n 20 "$log" >&2
fail "could not install$missing"
