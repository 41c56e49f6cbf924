#!/usr/bin/env bash
# Installs `pipeline` from the same commit as these scripts, into an environment of its own, and puts it on the PATH
# of the steps that follow. Prints the folder of its commands.
#
#   CAMPAIGN_INSTALL  what to install instead: a requirement, a wheel, a folder
#   CAMPAIGN_PYTHON   which Python (3.11 or newer) to use
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=$(mktemp -d "${RUNNER_TEMP:-${TMPDIR:-/tmp}}/campaign-pipeline.XXXXXX")

# Systems refuse packages beside their own; an environment is never refused.
"${CAMPAIGN_PYTHON:-python3}" -m venv "$home"
"$home/bin/python" -m pip install --quiet --disable-pip-version-check "${CAMPAIGN_INSTALL:-$here/..}" >&2

if [[ -n ${GITHUB_PATH:-} ]]; then
  echo "$home/bin" >>"$GITHUB_PATH"
fi
echo "$home/bin"
