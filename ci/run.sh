#!/usr/bin/env bash
# Runs one campaign with the newest results, and publishes them before each wave of creates and at the end.
#
#   CAMPAIGN_MANIFEST    the campaign
#   CAMPAIGN_SAVED_PLAN  a plan that `plan.sh` saved: exactly this plan is carried out, or nothing
#   CAMPAIGN_FIRST       the name of a campaign that has never run, so it needs no results; or one whose lost results
#                        cannot be found any more, so what only they knew is bought again
#   CAMPAIGN_BEFORE      the commit before this push
#   CAMPAIGN_RUN         the id of this run, the same in each attempt at it: CAMPAIGN_FIRST counts until one has published
#                        anything
#   CAMPAIGN_SHARD       which shard to run, as in 2/8 (default: the whole campaign)
#   CAMPAIGN_JUNIT       the file to write the jobs to, as a JUnit report
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ci/records.sh
. "$here/records.sh"

# Ends with exit code $1.
end() {
  if [[ -n ${GITHUB_OUTPUT:-} ]]; then echo "exit-code=$1" >>"$GITHUB_OUTPUT"; fi
  exit "$1"
}

plan=${CAMPAIGN_SAVED_PLAN:-}
source=$plan
if [[ -z $plan ]]; then
  tip=$(fetch_tip)
  take_over "$tip"
  empty_plans
  without_keys pipeline plan --quiet --results "$FOLDER/" --out "$PLANS" -- "$CAMPAIGN_MANIFEST" >/dev/null
  plan=$(echo "$PLANS"/*.plan.json)
  source=$CAMPAIGN_MANIFEST
fi
name=$(python3 -I "$here/plans.py" --field campaign "$plan")
python3 -I "$here/plans.py" "$PLANS" >>"${GITHUB_OUTPUT:-/dev/null}"

# Read by `publish.sh`.
export CAMPAIGN_NAME=$name
LEDGER=$(ledger_of "$name")

# Before the tip, so that it cannot have results that another machine publishes meanwhile and the tip lacks.
if ! ledger=$(fetch_ledger); then
  echo "The server did not say whether it has $LEDGER, so what was bought. Nothing is bought; try again." >&2
  end 8
fi
if ! is_ledger "$ledger"; then
  echo "$LEDGER on the server is damaged: it is not as runs publish it. This deletes it: git push origin :$LEDGER" >&2
  echo "A later run begins another one, once it knows everything in both branches and their history." >&2
  end 3
fi
tip=$(fetch_tip)
elsewhere=$(fetch_tip "$OTHER")
git update-ref "$BASE" "$tip"
take_over "$tip"

flags=(--yes --results "$FOLDER/" --checkpoint "$(printf %q "$here/publish.sh")")
if [[ -n ${CAMPAIGN_JUNIT:-} ]]; then flags+=(--junit "$CAMPAIGN_JUNIT"); fi
if [[ -n ${CAMPAIGN_SHARD:-} ]]; then flags+=(--shard "$CAMPAIGN_SHARD"); fi

# shellcheck source=ci/known.sh
. "$here/known.sh"

# Ends with exit code 3.
refuse() {
  echo "$1" >&2
  echo "$2 start it by hand with first=$name, in a new run (GitLab: CAMPAIGN_FIRST=$name)" >&2
  end 3
}

# Missing results alone never count as a first run: a deleted or misnamed branch looks the same, and everything would
# be bought again. Results without a purchase prove no more than missing ones, and present results, for example of one
# shard, prove nothing about those that are gone.
recorded=$(find_recorded)
unknown=$(find_unknown)
first=${CAMPAIGN_FIRST:-}
if [[ -n $unknown ]]; then
  # A person gives `first` knowing how things are at that time. A rerun has the same inputs, also one that the schedule
  # starts, but the results may have been lost since.
  if [[ $first == "$name" ]] && has_begun; then
    echo "first=$first counts until its run has published anything, and it has."
    first=
  fi
  if [[ $first != "$name" ]]; then
    refuse "$(found_at "${unknown%%$'\n'*}")" "If they are not, or to buy again what no other file knows,"
  fi
  give_up
fi
found=
for file in ${kept[@]+"${kept[@]}"}; do
  if grep -q '"bought_at":' -- "$file"; then found=$file; fi
done
if [[ -n $found ]] || ! { [[ -n $recorded || $first == "$name" ]] || is_added; }; then
  flags+=(--require-results)
  if [[ -z $found ]]; then
    echo "There are no results of $name on the branch $BRANCH."
    echo "If it has never run, start it by hand with first=$name (GitLab: CAMPAIGN_FIRST=$name)"
  fi
fi

# What it publishes may begin a ledger: it has all that there was.
export CAMPAIGN_KNOWN=1

# `exec` replaces this shell, so that the signal of a cancelled job reaches the run.
exec python3 -I "$here/forward.py" pipeline run "${flags[@]}" -- "$source"
