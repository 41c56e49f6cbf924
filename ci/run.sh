#!/usr/bin/env bash
# Runs one campaign with the newest results, and publishes them before each wave of creates and at the end.
#
#   CAMPAIGN_MANIFEST    the campaign
#   CAMPAIGN_SAVED_PLAN  a plan that `plan.sh` saved: exactly this plan is carried out, or nothing
#   CAMPAIGN_FIRST       the name of a campaign that has never run, so it needs no results; or one whose lost results
#                        cannot be found any more, so what only they knew is bought again
#   CAMPAIGN_ATTEMPT     which attempt of its run this is (default: 1); CAMPAIGN_FIRST counts for the first only
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

# Read by `publish.sh`.
export CAMPAIGN_NAME=$name

# A person gives `first` knowing how things are at that time. A rerun has it too, also one that the schedule starts, but
# the results may have been lost since the first attempt.
first=${CAMPAIGN_FIRST:-}
if [[ -n $first && ${CAMPAIGN_ATTEMPT:-1} != 1 ]]; then
  echo "first=$first counts for the first attempt of a run only, and this is attempt $CAMPAIGN_ATTEMPT."
  first=
fi

# The results of this campaign and of its shards: as files in the folder, and as pathspecs for git.
kept=()
for file in "$FOLDER/$name.results.json" "$FOLDER/$name.results."*-of-*.json; do
  if [[ -f $file ]]; then kept+=("$file"); fi
done
literal() { sed 's/[][*?\\]/\\&/g' <<<"$1"; }
records=(":(top,literal)$PREFIX$name.results.json"
  ":(top,glob)$(literal "$PREFIX$name").results.*-of-*.json")
# The manifest may have been in another folder, with its results beside it.
anywhere=(":(top,glob)**/$(literal "$name").results.json" ":(top,glob)**/$(literal "$name").results.*-of-*.json")

# The name as the value of a key, as a regular expression.
value="[\"']?${name//./\\.}[\"']?[[:space:]]*([],}#]|\$)"

# Fetches the rest of the history of commit $1, on branch $2, if the checkout is shallow.
fetch_history() {
  local shallow
  shallow=$(git rev-parse --git-path shallow)
  if [[ -s $shallow ]] && git rev-list --max-parents=0 "$1" | grep -xF -f "$shallow" >/dev/null; then
    git fetch --quiet --no-tags --unshallow origin "refs/heads/$2"
  fi
}

# Whether a manifest in a commit, `COMMIT:PATH`, certainly has another name than this campaign. Only the plainest spelling
# is understood: each line that is not indented begins a key, an item or a comment, and one of them is `name: other`.
has_another_name() {
  local content
  content=$(git cat-file blob "$1" | tr -d '\r\0') || return 1
  if [[ $(LC_ALL=C grep -ac '^name:' <<<"$content") != 1 ]]; then return 1; fi
  if LC_ALL=C grep -aqvE '^([[:space:]#]|$|---[[:space:]]*$|- |[a-z_]+:([[:space:]]|$))' <<<"$content"; then return 1; fi
  if LC_ALL=C grep -aqE "^name:[[:space:]]+[\"']?${name//./\\.}[\"']?[[:space:]]*(#.*)?\$" <<<"$content"; then return 1; fi
  LC_ALL=C grep -aqE "^name:[[:space:]]+[\"']?[A-Za-z0-9][A-Za-z0-9._-]*[\"']?[[:space:]]*(#.*)?\$" <<<"$content"
}

# Prints the files that ever had a purchase of this campaign, in any folder of the history of commit $1.
ever_held() {
  # Results without a purchase do not count: a shard that has no jobs publishes them before the others begin.
  git -c log.showRoot=true log --full-history -m --no-renames --raw --no-abbrev -z --format= "$1" -- "${anywhere[@]}" |
    lost_of --ever
}

# Whether a branch had results of this campaign, and where. In doubt, as if it had.
has_history() {
  local branch=$1 held
  held=$(ever_held "$2") || return 0
  if [[ -z $held ]]; then return 1; fi
  held=${held%%$'\n'*}
  echo "The branch $branch has or had results of $name at $held. If they are of this campaign, put them at $PREFIX${held##*/} on $BRANCH."
}

# The same for the branch where results are with the other setting of CAMPAIGN_RESULTS.
has_history_elsewhere() {
  local branch=${CAMPAIGN_DEFAULT_BRANCH:-main} other code=0
  if [[ $FOLDER != .campaign-results ]]; then branch=${CAMPAIGN_RESULTS_BRANCH:-campaign-results}; fi
  git ls-remote --exit-code origin "refs/heads/$branch" >/dev/null || code=$?
  if [[ $code == 2 ]]; then return 1; fi
  git fetch --quiet --no-tags origin "refs/heads/$branch" && other=$(git rev-parse FETCH_HEAD) || return 0
  fetch_history "$other" "$branch" || return 0
  has_history "$branch" "$other"
}

# Whether this campaign was merged for the first time just now: the results branch exists and never had a purchase of
# it, and the commit before this push had no manifest that could be of this campaign.
is_new() {
  local before=${CAMPAIGN_BEFORE:-} manifest escaped file code=2
  if [[ -z $before || $before =~ ^0+$ || $tip == "$(no_branch)" ]]; then return 1; fi
  # If the manifest is not in a commit, for example generated by a step or in a submodule, its age is unknown.
  manifest=$PLANS/$(python3 -I "$here/plans.py" --field manifest "$plan") || return 1
  git ls-files --error-unmatch -- ":(literal)$manifest" >/dev/null 2>&1 || return 1
  # After a force push, the server may refuse to send the earlier commit: its content is then unknown.
  git cat-file -e "$before^{commit}" 2>/dev/null || git fetch --quiet --no-tags origin "$before" || return 1
  if has_history "$BRANCH" "$tip" || has_history_elsewhere; then return 1; fi
  # A manifest may have any file name, but contains these three words. Any other file with all of them counts too, unless
  # it is plainly the manifest of another campaign: that only means one start by hand, while overlooking a manifest could
  # mean buying a campaign twice.
  while IFS= read -rd '' file; do
    if [[ $file == code:* ]]; then code=${file#code:}; else has_another_name "$file" || return 1; fi
  done < <(
    code=0
    git grep -lzwF --all-match -e "$name" -e name -e version "$before" \
      -- ':(top)' ':(top,exclude,glob)**/.github/**' ':(top,exclude,glob)**/.gitlab/**' || code=$?
    printf 'code:%s\0' "$code"
  )
  if [[ $code -gt 1 ]]; then return 1; fi
  # CI workflows contain these words as well, so in their folders only the manifest itself is searched.
  code=0
  git grep -qwF -e "$name" "$before" -- ":(literal)$manifest" || code=$?
  if [[ $code != 1 ]]; then return 1; fi
  # A manifest may have been moved out of such a folder, so in all folders, a `name` key with this value counts. An
  # escaped character could stand for any other, so a name with one counts too.
  escaped='"[^"]*\\(x|u00|U000000)(2[dDeE]|3[0-9]|[4-7][[:xdigit:]])'
  code=0
  git grep -qE --all-match -e version -e "name[\"']?[[:space:]]*:[[:space:]]*([&!][^[:space:]]+[[:space:]]+)*($value|$escaped)" \
    "$before" -- ':(top)' || code=$?
  [[ $code == 1 ]]
}

# Finds the tips of the branch at which a person let the campaign start anew: `publish.sh` recorded them. What was missing
# by then is ignored.
find_settled() {
  local campaign tip_then
  while read -r campaign tip_then; do
    if [[ $campaign == "$name" ]] && git cat-file -e "$tip_then^{commit}" 2>/dev/null; then settled+=("$tip_then"); fi
  done < <(git log --full-history --format="%(trailers:key=$STARTED_ANEW,valueonly)" "$tip" -- "${records[@]}")
}

# Prints the files that were deleted from the branch or replaced, if they had purchases that its results now lack.
lost_results() {
  # -m compares merges with each parent, since a merge can drop results too.
  git log --full-history -m --no-renames --diff-filter=DMT --raw --no-abbrev -z --format= \
    "$tip" ${settled[@]+"${settled[@]/#/^}"} -- "${records[@]}" |
    lost_of ${kept[@]+"${kept[@]}"}
}

# Whether a folder at the tip certainly has a manifest of this campaign's name: as a plain line, or in JSON. (Any other
# spelling is overlooked: that only means one start by hand.)
has_manifest() {
  local file
  while IFS= read -rd '' file; do
    if git cat-file blob "$file" | grep -E "^name:[[:space:]]*$value" >/dev/null; then return 0; fi
    if git cat-file blob "$file" | python3 -I -c "$IS_MANIFEST" "$name" 2>/dev/null; then return 0; fi
  done < <(git grep -lzE "version[\"']?[[:space:]]*:[[:space:]]*1" "$tip" -- ":(top,glob)$(literal "$1")*.y*ml" || true)
  return 1
}
readonly IS_MANIFEST='import json, sys; found = json.load(sys.stdin); sys.exit(found["version"] != 1 or found["name"] != sys.argv[1])'

# Prints a file with purchases that the results here lack, in a folder of the branch without a manifest of this name: it was
# left behind when the manifest was moved. (All results that `results: branch` looks for are in one folder.)
left_behind() {
  local file other commit missing
  if [[ $FOLDER == .campaign-results ]]; then return; fi
  missing=$(
    git diff-tree -r --no-renames --raw --no-abbrev -z "$tip" "$(git mktree </dev/null)" -- "${anywhere[@]}" |
      lost_of --missing ${kept[@]+"${kept[@]}"}
  ) || return 1
  while IFS= read -r file; do
    other=
    if [[ $file == */* ]]; then other=${file%/*}/; fi
    if [[ -z $file || $other == "$PREFIX" ]] || has_manifest "$other"; then continue; fi
    for commit in ${settled[@]+"${settled[@]}"}; do
      if [[ $(blob_at "$commit" "$file") == "$(blob_at "$tip" "$file")" ]]; then continue 2; fi
    done
    printf '%s\n' "$file"
    return
  done <<<"$missing"
}

# Ends with exit code 3.
refuse() {
  echo "$1" >&2
  echo "$2 start it by hand with first=$name (GitLab: CAMPAIGN_FIRST=$name)" >&2
  if [[ -n ${GITHUB_OUTPUT:-} ]]; then echo "exit-code=3" >>"$GITHUB_OUTPUT"; fi
  exit 3
}

# Missing results alone never count as a first run: a deleted or misnamed branch looks the same, and everything would
# be bought again. Results without a purchase prove no more than missing ones, and present results, for example of one
# shard, prove nothing about those that are gone.
if [[ $first == "$name" ]]; then
  export CAMPAIGN_STARTED_ANEW="$name $tip"
else
  fetch_history "$tip" "$BRANCH"
  settled=()
  find_settled
  lost=$(lost_results | sort -u)
  if [[ -n $lost ]]; then
    refuse "${lost%%$'\n'*} the branch $BRANCH, and the results there do not include everything it held. Put it back." \
      "To buy again what no other file knows,"
  fi
  left=$(left_behind)
  if [[ -n $left ]]; then
    there=$PREFIX${left##*/}
    put="put them at $there."
    if [[ -e $FOLDER/${left##*/} ]]; then put="join them with $there (\`pipeline merge\`)."; fi
    refuse "The branch $BRANCH has results of $name at $left, and no manifest there. If they are of this campaign, $put" \
      "If they are not, or to buy again what no other file knows,"
  fi
fi
found=
for file in ${kept[@]+"${kept[@]}"}; do
  if grep -q '"bought_at":' -- "$file"; then found=$file; fi
done
if [[ -n $found ]] || ! { [[ $first == "$name" ]] || is_new; }; then
  flags+=(--require-results)
  if [[ -z $found ]]; then
    echo "There are no results of $name on the branch $BRANCH."
    echo "If it has never run, start it by hand with first=$name (GitLab: CAMPAIGN_FIRST=$name)"
  fi
fi

# `exec` replaces this shell, so that the signal of a cancelled job reaches the run.
exec python3 -I "$here/forward.py" pipeline run "${flags[@]}" -- "$source"
