#!/usr/bin/env bash
# Runs one campaign with the newest results, and publishes them before each wave of creates and at the end.
#
#   CAMPAIGN_MANIFEST    the campaign
#   CAMPAIGN_SAVED_PLAN  a plan that `plan.sh` saved: exactly this plan is carried out, or nothing
#   CAMPAIGN_FIRST       the name of a campaign that has never run, so it needs no results; or one whose lost results
#                        cannot be found any more, so what only they knew is bought again
#   CAMPAIGN_BEFORE      the commit before this push
#   CAMPAIGN_RUN         the id of this run, the same in each attempt at it: CAMPAIGN_FIRST and CAMPAIGN_BEFORE count until
#                        one has published anything
#   CAMPAIGN_SHARD       which shard to run, as in 2/8 (default: the whole campaign)
#   CAMPAIGN_JUNIT       the file to write the jobs to, as a JUnit report
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ci/records.sh
. "$here/records.sh"

tip=$(fetch_tip)
elsewhere=$(fetch_tip "$OTHER")
git update-ref "$BASE" "$tip"
take_over "$tip"

flags=(--yes --results "$FOLDER/" --checkpoint "$(printf %q "$here/publish.sh")")
if [[ -n ${CAMPAIGN_JUNIT:-} ]]; then flags+=(--junit "$CAMPAIGN_JUNIT"); fi

if [[ -n ${CAMPAIGN_SHARD:-} ]]; then flags+=(--shard "$CAMPAIGN_SHARD"); fi

source=${CAMPAIGN_SAVED_PLAN:-}
if [[ -z $source ]]; then
  empty_plans
  without_keys pipeline plan --quiet --results "$FOLDER/" --out "$PLANS" -- "$CAMPAIGN_MANIFEST" >/dev/null
  source=$CAMPAIGN_MANIFEST
fi
plan=${CAMPAIGN_SAVED_PLAN:-$(echo "$PLANS"/*.plan.json)}
name=$(python3 -I "$here/plans.py" --field campaign "$plan")
if [[ -n ${GITHUB_OUTPUT:-} ]]; then python3 -I "$here/plans.py" "$PLANS" >>"$GITHUB_OUTPUT"; fi

# Read by `publish.sh`.
export CAMPAIGN_NAME=$name

# Ends with exit code $1.
end() {
  if [[ -n ${GITHUB_OUTPUT:-} ]]; then echo "exit-code=$1" >>"$GITHUB_OUTPUT"; fi
  exit "$1"
}

# shellcheck source=ci/known.sh
. "$here/known.sh"

# A person gives `first` knowing how things are at that time, and a campaign is new when it is merged. A rerun has the same
# inputs and event, also one that the schedule starts, but the results may have been lost since.
first=${CAMPAIGN_FIRST:-}
if [[ $first == "$name" ]] && has_begun; then
  echo "first=$first counts until its run has published anything, and an earlier attempt has."
  first=
fi

# Ends with exit code 3.
refuse() {
  echo "$1" >&2
  echo "$2 start it by hand with first=$name (GitLab: CAMPAIGN_FIRST=$name)" >&2
  end 3
}

# Missing results alone never count as a first run: a deleted or misnamed branch looks the same, and everything would
# be bought again. Results without a purchase prove no more than missing ones, and present results, for example of one
# shard, prove nothing about those that are gone.
fetch_history "$tip" "$BRANCH"
fetch_history "$elsewhere" "$OTHER"
find_settled
find_dropped
lost=$(lost_results | sort -u)
left=$(left_behind)
left=${left%%$'\n'*}
if [[ $first == "$name" ]]; then
  if [[ -n $lost$left ]]; then start_anew; fi
elif [[ -n $lost ]]; then
  refuse "${lost%%$'\n'*} the branch $BRANCH, and the results there do not include everything it held. Put it back." \
    "To buy again what no other file knows,"
elif [[ -n $left ]]; then
  refuse "$(found_at "${left%%:*}" "${left#*:}")" "If they are not, or to buy again what no other file knows,"
fi
found=
for file in ${kept[@]+"${kept[@]}"}; do
  if grep -q '"bought_at":' -- "$file"; then found=$file; fi
done
if ! { [[ $first == "$name" ]] || is_new; } || [[ -n $found ]]; then
  flags+=(--require-results)
  if [[ -z $found ]]; then
    echo "There are no results of $name on the branch $BRANCH."
    echo "If it has never run, start it by hand with first=$name (GitLab: CAMPAIGN_FIRST=$name)"
  fi
fi

# `exec` replaces this shell, so that the signal of a cancelled job reaches the run.
exec python3 -I "$here/forward.py" pipeline run "${flags[@]}" -- "$source"
