#!/usr/bin/env bash
# Publishes what a run could not: it was killed before its last word, or its files are no longer those of its branch.
# Buys nothing. What other machines published is joined, so nothing that was paid is forgotten.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ci/records.sh
. "$here/records.sh"

# A run that never began has nothing to tell. Results without purchases would pass for records of the campaign.
began=false
for state in "$(dirname -- "$CAMPAIGN_MANIFEST")"/.pipeline/*.db; do
  if [[ -f $state && $state != *.emulated.db ]]; then began=true; fi
done
# A database tells by what it holds. That which the results hold counts too, as then there are records already.
if ! $began && [[ ${PIPELINE_STATE:-} =~ ^postgres(ql)?:// ]]; then
  purchases='import json, sys; sys.exit(not json.load(sys.stdin)["purchases"])'
  if pipeline state export --results "$FOLDER/" -- "$CAMPAIGN_MANIFEST" | python3 -I -c "$purchases"; then
    began=true
  fi
fi
if ! $began; then exit 0; fi

pipeline results --quiet --results "$FOLDER/" ${CAMPAIGN_SHARD:+--shard "$CAMPAIGN_SHARD"} -- "$CAMPAIGN_MANIFEST"
if [[ -n ${GITHUB_STEP_SUMMARY:-} ]]; then
  # Indented, it is shown as it is, whatever stands in it.
  pipeline status --results "$FOLDER/" -- "$CAMPAIGN_MANIFEST" | sed 's/^/    /' >>"$GITHUB_STEP_SUMMARY"
fi
if [[ -n ${GITHUB_OUTPUT:-} && -f ${CAMPAIGN_JUNIT:-} ]]; then echo "junit=$CAMPAIGN_JUNIT" >>"$GITHUB_OUTPUT"; fi
for _ in 1 2 3 4; do
  code=0
  "$here/publish.sh" || code=$?
  if [[ $code != 75 ]]; then break; fi
done
exit "$code"
