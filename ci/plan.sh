#!/usr/bin/env bash
# Checks campaigns and shows what a run of them would buy. Needs no key; safe on a stranger's pull request.
#
#   CAMPAIGN_PATHS   manifests, or folders of them, one per line
#   CAMPAIGN_PLAN    the file to write the plan to, as Markdown; the saved plans for `run.sh` go to campaign-plans/
#   CAMPAIGN_FORMAT  how problems are reported: github (the default), gitlab, text
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ci/records.sh
. "$here/records.sh"

summary=${GITHUB_STEP_SUMMARY:-/dev/null}
flags=(--format markdown --out "$PLANS")
empty_plans
paths=()
while IFS= read -r path; do
  if [[ -n $path ]]; then paths+=("$path"); fi
done <<<"${CAMPAIGN_PATHS:-.}"

if [[ ${CAMPAIGN_RESULTS:-branch} == branch ]]; then
  take_over "$(fetch_tip)"
  flags+=(--results "$FOLDER/")
fi

# Sets the step output $1 to the value $2.
tell() {
  if [[ -n ${GITHUB_OUTPUT:-} ]]; then echo "$1=$2" >>"$GITHUB_OUTPUT"; fi
}

code=0
pipeline validate --format "${CAMPAIGN_FORMAT:-github}" -- "${paths[@]}" || code=$?
if [[ $code != 0 ]]; then
  echo "The campaigns are invalid: each problem is shown at its line." >>"$summary"
  # For the comment: the plan that it shows is now of an older commit.
  pipeline validate --format json -- "${paths[@]}" >"$PLANS/problems.json" || true
  tell exit-code "$code"
  exit "$code"
fi

# The branch may contain a symbolic link with that name.
rm -f -- "$CAMPAIGN_PLAN"
pipeline plan "${flags[@]}" -- "${paths[@]}" >"$CAMPAIGN_PLAN" || code=$?
if [[ $code != 0 ]]; then
  echo '{"diagnostics": [{"summary": "The plan could not be made; the log of its job says why."}]}' >"$PLANS/problems.json"
  tell exit-code "$code"
  exit "$code"
fi
cat "$CAMPAIGN_PLAN" >>"$summary"
tell plan "$CAMPAIGN_PLAN"
tell exit-code 0
python3 -I "$here/plans.py" "$PLANS" >>"${GITHUB_OUTPUT:-/dev/null}"
