#!/usr/bin/env bash
# Posts the plans of a folder on their pull request or merge request, as one comment; see render.py and comment.py.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ -z ${CAMPAIGN_TOKEN:-} ]]; then
  echo "No token, so no comment: the plan is in the job's summary or log."
  exit 0
fi
CAMPAIGN_TEXT=$(mktemp)
export CAMPAIGN_TEXT
trap 'rm -f -- "$CAMPAIGN_TEXT"' EXIT
python3 -I "$here/render.py" >"$CAMPAIGN_TEXT"
python3 -I "$here/comment.py"
