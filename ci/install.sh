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

# Systems refuse packages beside their own; an environment is never refused.
# Isolated (-I): the checkout is somebody's work, and nothing that lies in it is imported here; nor by what pip starts,
# which is isolated from nothing. What is built is told no secret either.
unset "${!PYTHON@}"
while IFS= read -r name; do unset "$name"; done < <(secret_names)
"${CAMPAIGN_PYTHON:-python3}" -I -m venv "$home"
pip=("$home/bin/python" -I -m pip install --quiet --disable-pip-version-check)
if [[ -n ${CAMPAIGN_INSTALL:-} ]]; then
  "${pip[@]}" "$CAMPAIGN_INSTALL" >&2
else
  # All that is fetched is what the lock file names, by its hash; the package itself is built with that too.
  "${pip[@]}" --require-hashes -r "$here/../locks/base.txt" >&2
  "${pip[@]}" --no-deps --no-build-isolation "$here/.." >&2
fi

if [[ -n ${GITHUB_PATH:-} ]]; then
  echo "$home/bin" >>"$GITHUB_PATH"
fi
echo "$home/bin"
