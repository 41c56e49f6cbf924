#!/usr/bin/env bash
# Installs `pipeline` from the same commit as these scripts into a virtual environment of its own, and adds it to the
# PATH of the following steps. Prints the folder of its commands.
#
#   CAMPAIGN_INSTALL  what to install instead: a requirement, a wheel, a folder
#   CAMPAIGN_PYTHON   which Python (3.11 or newer) to use
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ci/secrets.sh
. "$here/secrets.sh"
home=$(mktemp -d "${RUNNER_TEMP:-${TMPDIR:-/tmp}}/campaign-pipeline.XXXXXX")

# A virtual environment, because many systems do not let pip install into their own Python.
# The checkout is untrusted, so nothing in it may be imported: -I isolates Python itself, and unsetting PYTHON… the
# processes that pip starts, which -I does not reach. Build scripts see no secrets either.
unset "${!PYTHON@}"
while IFS= read -r name; do unset "$name"; done < <(secret_names)
"${CAMPAIGN_PYTHON:-python3}" -I -m venv "$home"
pip=("$home/bin/python" -I -m pip install --quiet --disable-pip-version-check)
if [[ -n ${CAMPAIGN_INSTALL:-} ]]; then
  "${pip[@]}" "$CAMPAIGN_INSTALL" >&2
else
  # Only what the lock file names is downloaded, checked by its hash. The package itself is built with that as well.
  "${pip[@]}" --require-hashes -r "$here/../locks/base.txt" >&2
  "${pip[@]}" --no-deps --no-build-isolation "$here/.." >&2
fi

if [[ -n ${GITHUB_PATH:-} ]]; then
  echo "$home/bin" >>"$GITHUB_PATH"
fi
echo "$home/bin"
