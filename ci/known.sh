# shellcheck shell=bash
# shellcheck disable=SC2154 # `run.sh`, which sources this, sets the names that are not set here
#
# What this repository has of the results of a campaign: what its run does not know, and whether the campaign is new.
#
# A run may buy only if it knows each purchase that is found under the campaign's name: in any folder of either branch, the
# one that CAMPAIGN_RESULTS says and the other, and among what was deleted or replaced there. So it does not matter whether
# results were lost, left behind by a moved manifest, or written with the other setting. What is found elsewhere is not
# joined here: the name alone does not prove whose it is, what is joined can be pruned, and a saved plan was made without it.

# The results of this campaign and of its shards: as files in the folder, and as pathspecs for git.
kept=()
for file in "$FOLDER/$name.results.json" "$FOLDER/$name.results."*-of-*.json; do
  if [[ -f $file ]]; then kept+=("$file"); fi
done
literal() { sed 's/[][*?\\]/\\&/g' <<<"$1"; }
records=(":(top,literal)$PREFIX$name.results.json"
  ":(top,glob)$(literal "$PREFIX$name").results.*-of-*.json")
anywhere=(":(top,glob)**/$(literal "$name").results.json" ":(top,glob)**/$(literal "$name").results.*-of-*.json")

# The folder of the manifest.
own=$(git -C "$(dirname -- "$CAMPAIGN_MANIFEST")" rev-parse --show-prefix)

# The name as the value of a key, as a regular expression.
value="[\"']?${name//./\\.}[\"']?[[:space:]]*([],}#]|\$)"

# Fetches the rest of the history of commit $1, on branch $2, if the checkout is shallow. Of the other branch, without the
# content of files, which may be large; git then fetches what is looked at.
fetch_history() {
  local shallow filter all=(--unshallow)
  shallow=$(git rev-parse --git-path shallow)
  if [[ -s $shallow ]] && git rev-list --max-parents=0 "$1" | grep -xF -f "$shallow" >/dev/null; then
    filter=$(git config remote.origin.partialCloneFilter || true)
    if [[ $2 == "$OTHER" ]]; then all+=(--filter="${filter:-blob:none}"); fi
    git fetch --quiet --no-tags "${all[@]}" origin "refs/heads/$2"
    # Git keeps the filter, and later fetches should be complete.
    if [[ -z $filter ]]; then git config --unset remote.origin.partialCloneFilter || true; fi
  fi
}

# Finds the tips of both branches at which a person let the campaign start anew. What was
# missing by then is ignored.
find_settled() {
  local campaign tip_then elsewhere_then commit
  settled=()
  seen=()
  while read -r campaign tip_then elsewhere_then; do
    if [[ $campaign != "$name" || ! "$tip_then $elsewhere_then" =~ ^[0-9a-f]+\ [0-9a-f]*$ ]]; then continue; fi
    for commit in "$tip_then" ${elsewhere_then:+"$elsewhere_then"}; do
      seen+=("$commit")
      if git cat-file -e "$commit^{commit}" 2>/dev/null; then settled+=("^$commit"); fi
    done
  done < <(git log --grep="^$STARTED_ANEW: " --format="%(trailers:key=$STARTED_ANEW,valueonly)" "$tip")
}

# Whether the file $2 was blob $1 when a person let the campaign start anew.
is_settled() {
  local commit
  for commit in ${seen[@]+"${seen[@]}"}; do
    is_fetched "$commit" || continue
    if [[ $(blob_at "$commit" "$2") == "$1" ]]; then return; fi
  done
  return 1
}

# Shows how files changed in the history of commit $1, since a person let the campaign start anew.
changes() {
  # -m compares merges with each parent, since a merge can drop results too.
  git log --full-history -m --no-renames --raw --no-abbrev -z --format= "$1" "$2" ${settled[@]+"${settled[@]}"} -- "${@:3}"
}

# Finds the commit before this push, if a force push dropped it from the branch that has the results.
find_dropped() {
  dropped=
  local before=${CAMPAIGN_BEFORE:-}
  if [[ $FOLDER == .campaign-results || -z $before || $before =~ ^0+$ ]]; then return; fi
  if is_fetched "$before" && ! git merge-base --is-ancestor "$before" "$tip"; then dropped=$before; fi
}

# Whether commit $1 is here, or the server sends it: after a force push, it may refuse.
is_fetched() {
  git cat-file -e "$1^{commit}" 2>/dev/null || git fetch --quiet --no-tags origin "$1" 2>/dev/null
}

# Prints the files that were deleted from the branch or replaced, if they had purchases that its results now lack.
lost_results() {
  changes "$tip" --diff-filter=DMT "${records[@]}" | lost_of ${kept[@]+"${kept[@]}"} &&
    if [[ -n $dropped ]]; then
      git diff-tree -r --no-renames --raw --no-abbrev -z --diff-filter=DMT "$dropped" "$tip" -- "${records[@]}" |
        lost_of ${kept[@]+"${kept[@]}"}
    fi
}

# Prints the files with purchases that the results here lack, of those that were deleted from either branch, are elsewhere
# on the branch, or are on the other one, as BRANCH:PATH.
left_behind() {
  { ever_on "$tip" && if [[ -n $dropped ]]; then ever_on "$dropped"; fi; } | unknown_of "$BRANCH" &&
    ever_on "$elsewhere" | unknown_of "$OTHER"
}

# Shows the results in any folder of commit $1, and those that were deleted or replaced in its history.
ever_on() {
  changes "$1" --diff-filter=DMT "${anywhere[@]}" && all_of "$1"
}

# Shows the results in any folder of commit $1, as if all were deleted.
all_of() {
  git diff-tree -r --no-renames --raw --no-abbrev -z "$1" "$(git mktree </dev/null)" -- "${anywhere[@]}"
}

unknown_of() {
  local missing blob file manifest folder
  missing=$(lost_of --missing ${kept[@]+"${kept[@]}"}) || return
  while IFS=$'\t' read -r blob file manifest; do
    folder=
    if [[ $file == */* ]]; then folder=${file%/*}/; fi
    # Of its own place, `lost_results` tells.
    if [[ -z $blob || $1:$folder == "$BRANCH:$PREFIX" ]]; then continue; fi
    # Of two campaigns of one name, each has its own results.
    if [[ $manifest != "$own" ]] && has_manifest "$manifest"; then continue; fi
    if is_settled "$blob" "$file"; then continue; fi
    printf '%s:%s\n' "$1" "$file"
  done <<<"$missing"
}

# Whether a folder of the default branch certainly has a manifest of this campaign's name: as a plain line, or in JSON.
# (Any other spelling is overlooked: that only means one start by hand.)
has_manifest() {
  local file commit=$tip
  if [[ $FOLDER == .campaign-results ]]; then commit=$elsewhere; fi
  while IFS= read -rd '' file; do
    if git cat-file blob "$file" | grep -E "^name:[[:space:]]*$value" >/dev/null; then return 0; fi
    if git cat-file blob "$file" | python3 -I -c "$IS_MANIFEST" "$name" 2>/dev/null; then return 0; fi
  done < <(git grep -lzE "version[\"']?[[:space:]]*:[[:space:]]*1" "$commit" -- ":(top,glob)$(literal "$1")*.y*ml" || true)
  return 1
}
readonly IS_MANIFEST='import json, sys; found = json.load(sys.stdin); sys.exit(found["version"] != 1 or found["name"] != sys.argv[1])'

# Tells what to do about results at path $2 of branch $1.
found_at() {
  local file=${2##*/} put="put them at"
  if [[ -e $FOLDER/$file ]]; then put="join them (\`pipeline merge\`) with"; fi
  echo "The branch $1 has or had results of $name at $2, which this run does not know. If they are of this campaign, $put $PREFIX$file on $BRANCH."
}

# Whether branch $1, whose tip is $2, ever had a purchase of this campaign in any folder, and where. In doubt, as if it had.
has_history() {
  local held
  # Results without a purchase do not count: a shard that has no jobs publishes them before the others begin.
  fetch_history "$2" "$1" && held=$(
    git -c log.showRoot=true log --full-history -m --no-renames --raw --no-abbrev -z --format= "$2" -- "${anywhere[@]}" |
      lost_of --ever
  ) || return 0
  if [[ -z $held ]]; then return 1; fi
  found_at "$1" "${held%%$'\n'*}"
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

# Whether an earlier attempt of this run has published anything. Its first publication sets a ref on the server, in the
# same push, apart from all results, so that it stays if they are lost. So does that of this attempt.
has_begun() {
  local code=0
  if [[ -z ${CAMPAIGN_RUN:-} ]]; then return 1; fi
  CAMPAIGN_MARK=refs/campaign-first/$CAMPAIGN_RUN/$(git hash-object --stdin <<<"$own$name ${CAMPAIGN_SHARD:-}")
  export CAMPAIGN_MARK
  git ls-remote --exit-code "${CAMPAIGN_PUSH_URL:-origin}" "$CAMPAIGN_MARK" >/dev/null || code=$?
  if [[ $code != 0 && $code != 2 ]]; then
    echo "The server did not say whether it has $CAMPAIGN_MARK, so whether an earlier attempt has begun. Nothing is bought; try again." >&2
    end 8
  fi
  return "$code"
}

# Records on the branch that a person lets the campaign start anew, whether it buys anything or not.
start_anew() {
  local now commit before=
  while now=$(fetch_tip) && [[ $now != "$before" ]]; do
    commit=$(
      git commit-tree -p "$now" -m "A campaign starts anew [skip ci]" -m "$STARTED_ANEW: $name $tip $elsewhere" "$now^{tree}"
    )
    if git push --quiet "${CAMPAIGN_PUSH_URL:-origin}" "$commit:refs/heads/$BRANCH"; then return; fi
    before=$now
  done
  echo "first=$name could not be recorded: the push to $BRANCH was refused. Is the branch protected, or does this job lack the permission to write?" >&2
  end 8
}

# Whether this campaign was merged for the first time just now, and has not run since: nothing of it was published.
is_new() {
  is_added && ! has_begun && [[ -z $found ]] && ! has_history "$BRANCH" "$tip" && ! has_history "$OTHER" "$elsewhere"
}

# Whether the results branch exists, and the commit before this push had no manifest that could be of this campaign.
is_added() {
  local before=${CAMPAIGN_BEFORE:-} manifest others escaped file code=2
  if [[ -z $before || $before =~ ^0+$ || $tip == "$(no_branch)" ]]; then return 1; fi
  # If the manifest is not in a commit, for example generated by a step or in a submodule, its age is unknown.
  manifest=$PLANS/$(python3 -I "$here/plans.py" --field manifest "$plan") || return 1
  git ls-files --error-unmatch -- ":(literal)$manifest" >/dev/null 2>&1 || return 1
  is_fetched "$before" || return 1
  others=(':(top)' ':(top,exclude,glob)**/*.results.json' ':(top,exclude,glob)**/*.results.*-of-*.json')
  # A manifest may have any file name but that of results, and contains these three words. Any other file with all of them counts too, unless
  # it is plainly the manifest of another campaign: that only means one start by hand, while overlooking a manifest could
  # mean buying a campaign twice.
  while IFS= read -rd '' file; do
    if [[ $file == code:* ]]; then code=${file#code:}; else has_another_name "$file" || return 1; fi
  done < <(
    code=0
    git grep -lzwF --all-match -e "$name" -e name -e version "$before" \
      -- "${others[@]}" ':(top,exclude,glob)**/.github/**' ':(top,exclude,glob)**/.gitlab/**' || code=$?
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
    "$before" -- "${others[@]}" || code=$?
  [[ $code == 1 ]]
}
