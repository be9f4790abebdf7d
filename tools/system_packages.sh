#!/bin/sh
# Install the Debian packages that tests compare with or start. Quick and silent where they are there already.
# Elsewhere (not Debian, not root) it names what is missing, and those tests skip; on CI a missing package is an error.
set -eu

missing=""
want() { # program, Debian package
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

want dcmdjpeg dcmtk # reference decoders: tests/images compares every lossless syntax with them
want dciodvfy dicom3tools # tests/report: every DICOM object that we write passes its checks
[ -x /usr/sbin/Orthanc ] || want Orthanc orthanc # tests/node: the archive that sends films and takes results
[ -e /usr/share/orthanc/plugins/libOrthancDicomWeb.so ] || missing="$missing orthanc-dicomweb" # its DICOMweb
want chromium chromium # the browser of tests/serve/viewer

[ -n "$missing" ] || exit 0

fail() {
    echo "system packages: $1" >&2
    [ "${CI:-}" = true ] && exit 1
    exit 0
}

command -v apt-get >/dev/null 2>&1 || fail "please install$missing; the tests that need them are skipped"
[ "$(id -u)" = 0 ] || fail "please run: sudo apt-get install$missing; the tests that need them are skipped"

export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The package lists may be old or absent; they are fetched only when an installation without them fails.
for attempt in with-lists after-update; do
    [ "$attempt" = with-lists ] || apt-get update -q >>"$log" 2>&1 || true
    # shellcheck disable=SC2086 # a list of words
    apt-get install -y -q --no-install-recommends $missing >>"$log" 2>&1 && exit 0
done
tail -n 20 "$log" >&2
fail "could not install$missing"
