#!/usr/bin/env bash
# Checks campaigns and shows what a run of them would buy. Needs no key; safe on a stranger's pull request.
#
#   CAMPAIGN_PATHS   manifests, or folders of them, one a line
#   CAMPAIGN_PLAN    the file to write the plan to, as Markdown
#   CAMPAIGN_FORMAT  how problems are told: github (the default), gitlab, text
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ci/records.sh
. "$here/records.sh"

summary=${GITHUB_STEP_SUMMARY:-/dev/null}
flags=(--format markdown)
paths=()
while IFS= read -r path; do
  if [[ -n $path ]]; then paths+=("$path"); fi
done <<<"${CAMPAIGN_PATHS:-.}"

if [[ ${CAMPAIGN_RESULTS:-branch} == branch ]]; then
  take_over "$(fetch_tip)"
  flags+=(--results "$FOLDER/")
fi

code=0
pipeline validate --format "${CAMPAIGN_FORMAT:-github}" -- "${paths[@]}" || code=$?
if [[ $code != 0 ]]; then
  echo "The campaigns are not valid: each problem is shown at its line." >>"$summary"
  exit "$code"
fi

pipeline plan "${flags[@]}" -- "${paths[@]}" >"$CAMPAIGN_PLAN"
cat "$CAMPAIGN_PLAN" >>"$summary"
if [[ -n ${GITHUB_OUTPUT:-} ]]; then
  echo "plan=$CAMPAIGN_PLAN" >>"$GITHUB_OUTPUT"
fi
