#!/usr/bin/env bash
# Publishes what a run could not, because it was killed or its files have changed on its branch. Buys nothing. Results
# that other machines published are joined, so nothing that was paid for is forgotten.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ci/records.sh
. "$here/records.sh"

if [[ -n ${GITHUB_OUTPUT:-} && -f ${CAMPAIGN_JUNIT:-} ]]; then echo "junit=$CAMPAIGN_JUNIT" >>"$GITHUB_OUTPUT"; fi

# Lists the jobs in the summary.
summarize() {
  if [[ -z ${GITHUB_STEP_SUMMARY:-} ]]; then return; fi
  # Indented, it is a code block, so nothing in it is interpreted as Markdown.
  pipeline status --results "$FOLDER/" -- "$CAMPAIGN_MANIFEST" | sed 's/^/    /' >>"$GITHUB_STEP_SUMMARY"
}

# Without a purchase there is nothing to publish. Only the state itself can tell: its files may belong to another
# campaign, and a team's state is a database.
known=$(mktemp)
trap 'rm -f -- "$known"' EXIT
pipeline state export --results "$FOLDER/" -- "$CAMPAIGN_MANIFEST" >"$known"
if ! grep -q '"bought_at":' -- "$known"; then
  summarize
  exit 0
fi

CAMPAIGN_NAME=$(python3 -I "$here/plans.py" --field campaign "$known")
export CAMPAIGN_NAME
pipeline results --quiet --results "$FOLDER/" ${CAMPAIGN_SHARD:+--shard "$CAMPAIGN_SHARD"} -- "$CAMPAIGN_MANIFEST"
summarize
for _ in 1 2 3 4; do
  code=0
  "$here/publish.sh" || code=$?
  if [[ $code != 75 ]]; then break; fi
done
exit "$code"
