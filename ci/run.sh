#!/usr/bin/env bash
# Runs one campaign with the newest results, and publishes them before each wave of creates and at the end.
#
#   CAMPAIGN_MANIFEST    the campaign
#   CAMPAIGN_SAVED_PLAN  a plan that `plan.sh` saved: exactly this plan is carried out, or nothing
#   CAMPAIGN_FIRST       the name of a campaign that has never run, so it needs no results; or one whose lost results
#                        cannot be found any more, so what only they knew is bought again
#   CAMPAIGN_BEFORE      the commit before this push
#   CAMPAIGN_SHARD       which shard to run, as in 2/8 (default: the whole campaign)
#   CAMPAIGN_JUNIT       the file to write the jobs to, as a JUnit report
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ci/records.sh
. "$here/records.sh"

tip=$(fetch_tip)
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

# The results of this campaign and of its shards: in the folder, and as git takes paths.
kept=()
for file in "$FOLDER/$name.results.json" "$FOLDER/$name.results."*-of-*.json; do
  if [[ -f $file ]]; then kept+=("$file"); fi
done
records=(":(top,literal)$PREFIX$name.results.json"
  ":(top,glob)$(sed 's/[][*?\\]/\\&/g' <<<"$PREFIX$name").results.*-of-*.json")

# Fetches what a shallow checkout lacks of the history of the branch for results.
fetch_history() {
  local shallow
  shallow=$(git rev-parse --git-path shallow)
  if [[ -s $shallow ]] && git rev-list --max-parents=0 "$tip" | grep -xF -f "$shallow" >/dev/null; then
    git fetch --quiet --no-tags --unshallow origin "refs/heads/$BRANCH"
  fi
}

# Whether the branch for results is there and never held a purchase of this campaign, and the commit before this push
# held no manifest that could be its own: a campaign that has just been merged for the first time.
is_new() {
  local before=${CAMPAIGN_BEFORE:-} manifest held value escaped code=0
  if [[ -z $before || $before =~ ^0+$ || $tip == "$(no_branch)" ]]; then return 1; fi
  # Of a manifest that is in no commit, such as one that a step has made or a submodule holds, nobody knows since when.
  manifest=$PLANS/$(python3 -I "$here/plans.py" --field manifest "$plan") || return 1
  git ls-files --error-unmatch -- ":(literal)$manifest" >/dev/null 2>&1 || return 1
  # Asking for a commit that a force push has left behind may be refused: then nobody knows what it held.
  git cat-file -e "$before^{commit}" 2>/dev/null || git fetch --quiet --no-tags origin "$before" || return 1
  # Those without a purchase were published by a shard that has no jobs, before the others have begun.
  held=$(
    git -c log.showRoot=true log --full-history -m --no-renames --raw --no-abbrev -z --format= "$tip" -- "${records[@]}" |
      without_keys python3 -I "$here/lost.py" --ever
  ) || return 1
  if [[ -n $held ]]; then return 1; fi
  # A manifest may have any name, and holds these three words. A file that only mentions them counts too: it costs one
  # start by hand, a wrong guess would cost a campaign.
  git grep -qwF --all-match -e "$name" -e name -e version "$before" \
    -- ':(top)' ':(top,exclude,glob)**/.github/**' ':(top,exclude,glob)**/.gitlab/**' || code=$?
  if [[ $code != 1 ]]; then return 1; fi
  # Workflows name campaigns and have a name and a version too; in their folders, only itself counts.
  code=0
  git grep -qwF -e "$name" "$before" -- ":(literal)$manifest" || code=$?
  if [[ $code != 1 ]]; then return 1; fi
  # Or any that is called so by its key: it may have been moved out of such a folder. A letter that is written as
  # its number may make the name any.
  value="[\"']?${name//./\\.}[\"']?[[:space:]]*([],}#]|\$)"
  escaped='"[^"]*\\(x|u00|U000000)(2[dDeE]|3[0-9]|[4-7][[:xdigit:]])'
  code=0
  git grep -qE --all-match -e version -e "name[\"']?[[:space:]]*:[[:space:]]*([&!][^[:space:]]+[[:space:]]+)*($value|$escaped)" \
    "$before" -- ':(top)' || code=$?
  [[ $code == 1 ]]
}

# Prints the files that the branch held and lost, or that were replaced, with purchases that none of its results knows.
# What had been lost when a person last said that the campaign starts anew is settled: `publish.sh` has noted the commit.
lost_results() {
  local campaign tip_then settled=()
  while read -r campaign tip_then; do
    if [[ $campaign == "$name" ]] && git cat-file -e "$tip_then^{commit}" 2>/dev/null; then settled+=("^$tip_then"); fi
  done < <(git log --full-history --format="%(trailers:key=$STARTED_ANEW,valueonly)" "$tip" -- "${records[@]}")
  # Against each parent: what a merge has left out is lost just the same.
  git log --full-history -m --no-renames --diff-filter=DMT --raw --no-abbrev -z --format= \
    "$tip" ${settled[@]+"${settled[@]}"} -- "${records[@]}" |
    without_keys python3 -I "$here/lost.py" ${kept[@]+"${kept[@]}"}
}

# Missing results never count as a first run by themselves: a branch that was deleted or misnamed looks just the same,
# and then everything would be bought again. Results without a purchase say no more than missing ones, and those that
# are there, of a shard for instance, say nothing of those that are gone.
if [[ ${CAMPAIGN_FIRST:-} == "$name" ]]; then
  export CAMPAIGN_STARTED_ANEW="$name $tip"
else
  fetch_history
  lost=$(lost_results | sort -u)
  if [[ -n $lost ]]; then
    printf '%s the branch %s, and the results there do not include everything it held.\n' "${lost%%$'\n'*}" "$BRANCH" >&2
    echo "Put it back. To buy again what only it knew, start it by hand with first=$name (GitLab: CAMPAIGN_FIRST=$name)" >&2
    if [[ -n ${GITHUB_OUTPUT:-} ]]; then echo "exit-code=3" >>"$GITHUB_OUTPUT"; fi
    exit 3
  fi
fi
found=
for file in ${kept[@]+"${kept[@]}"}; do
  if grep -q '"bought_at":' -- "$file"; then found=$file; fi
done
if [[ -n $found ]] || ! { [[ ${CAMPAIGN_FIRST:-} == "$name" ]] || is_new; }; then
  flags+=(--require-results)
  if [[ -z $found ]]; then
    echo "There are no results of $name on the branch $BRANCH."
    echo "If it has never run, start it by hand with first=$name (GitLab: CAMPAIGN_FIRST=$name)"
  fi
fi

# In the place of this shell, so that the signal of a cancelled job reaches it.
exec python3 -I "$here/forward.py" pipeline run "${flags[@]}" -- "$source"
