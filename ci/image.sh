#!/usr/bin/env bash
# Installs what the image holds into a folder: the package and what it needs to run, with no tool to install more.
#
#   ci/image.sh FOLDER
#
#   CAMPAIGN_PYTHON   which Python (3.11 or newer) to use
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

home=${1:?the folder to install into}
python=${CAMPAIGN_PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The wheel is built in a separate environment, so that no build tool gets into the image.
"$python" -I -m venv "$work/build"
pip=("$work/build/bin/python" -I -m pip --disable-pip-version-check --quiet)
"${pip[@]}" install --no-compile --require-hashes -r locks/base.txt
"$work/build/bin/python" -I -m hatchling build -t wheel -d "$work/dist" >/dev/null

"$python" -I -m venv --without-pip "$home"
"${pip[@]}" --python "$home/bin/python" install --require-hashes --only-binary :all: -r locks/image.txt
"${pip[@]}" --python "$home/bin/python" install --no-deps --no-index "$work"/dist/*.whl
