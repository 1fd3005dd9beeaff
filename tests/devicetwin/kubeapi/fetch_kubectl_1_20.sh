#!/bin/sh
# Puts Debian 12's kubectl 1.20 into FOLDER/usr/bin without installing it: the oldest client this
# endpoint is tested with. kubectl_test.cpp looks for it in <build folder>/kubectl-1.20.
# usage: fetch_kubectl_1_20.sh FOLDER
set -eu
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
[ ! -x "$1/usr/bin/kubectl" ] || exit 0
mkdir -p "$1"
folder=$(cd "$1" && pwd)
download=$(mktemp -d)
trap 'rm -rf "$download"' EXIT
(cd "$download" && apt-get download -q kubernetes-client && dpkg -x kubernetes-client_*.deb "$folder")
