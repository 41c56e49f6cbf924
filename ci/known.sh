# shellcheck shell=bash
# shellcheck disable=SC2154 # `run.sh`, which sources this, sets the names that are not set here
#
# What the server has of the results of a campaign: what its run does not know, and whether the campaign is new.
#
# A run may buy only if it knows each purchase under the campaign's name: in the ledger, which has what was published, and
# in any folder of either branch, the one that CAMPAIGN_RESULTS says and the other, or among what was deleted or replaced
# there, as people put results there too. So it does not matter whether results were lost, left behind by a moved manifest,
# or written with the other setting. What is found elsewhere is not joined here: the name alone does not prove whose it is,
# what is joined can be pruned, and a saved plan was made without it.

# The results of this campaign and of its shards that a run reads; and as pathspecs, those in any folder and all but these.
kept=()
anywhere=(":(top,glob)**/$name.results.json" ":(top,glob)**/$name.results.*-of-*.json")
strays=("${anywhere[@]}")
for file in "$FOLDER/$name.results.json" "$FOLDER/$name.results."*-of-*.json; do
  if [[ -f $file && ${file##*/} =~ \.results(\.[1-9][0-9]*-of-[1-9][0-9]*(-by-credits)?)?\.json$ ]]; then
    kept+=("$file")
    strays+=(":(top,literal,exclude)$PREFIX${file##*/}")
  fi
done

# The folder of the manifest.
own=$(git -C "$(dirname -- "$CAMPAIGN_MANIFEST")" rev-parse --show-prefix)

# The name as the value of a key, as a regular expression.
value="[\"']?$name[\"']?[[:space:]]*([],}#]|\$)"

# Prints the results in the ledger that have purchases of this campaign. If there are any, it has all that was published.
find_recorded() {
  local found blob path manifest
  found=$(in_ledger | lost_of) || return
  while IFS=$'\t' read -r blob path manifest; do
    if [[ -n $blob ]] && ! is_another "$manifest"; then echo "$path"; fi
  done <<<"$found"
}

# Prints the results with purchases that this run does not know, one a line: blob, where it is, and its path there.
find_unknown() {
  all_of "$tip" "${strays[@]}" | unknown_at "The branch $BRANCH" &&
    all_of "$elsewhere" "${anywhere[@]}" | unknown_at "The branch $OTHER" &&
    in_ledger | unknown_at "The ledger $LEDGER" &&
    find_in_history
}

# The same, of what was deleted from either branch or replaced there: no run may have seen it since the ledger began.
find_in_history() {
  local before=${CAMPAIGN_BEFORE:-}
  fetch_history "$tip" "$BRANCH" && history_of "$tip" | unknown_at "The branch $BRANCH" &&
    fetch_history "$elsewhere" "$OTHER" && history_of "$elsewhere" | unknown_at "The branch $OTHER" || return
  # A force push may have dropped the commit before it.
  if [[ -n $before && ! $before =~ ^0+$ ]] && is_fetched "$before" && ! git merge-base --is-ancestor "$before" HEAD; then
    { all_of "$before" "${anywhere[@]}" && history_of "$before"; } | unknown_at "Commit $before"
  fi
}

# Shows the files of tree $1 that the pathspecs $2… select, as if all were deleted.
all_of() {
  git diff-tree -r --no-renames --raw --no-abbrev -z "$1" "$(git mktree </dev/null)" -- "${@:2}"
}

# Shows the results that were deleted or replaced in the history of commit $1.
history_of() {
  # -m compares merges with each parent, since a merge can drop results too.
  git log --full-history -m --no-renames --raw --no-abbrev -z --format= --diff-filter=DMT "$1" -- "${anywhere[@]}"
}

# Shows the results in the ledger, whichever setting they were published with.
in_ledger() {
  local setting
  for setting in branch beside; do
    if git cat-file -e "$ledger:$setting" 2>/dev/null; then all_of "$ledger:$setting" "${anywhere[@]}" || return; fi
  done
}

# Prints those of the results shown that this run does not know and that no person gave up; $1 is where they are.
unknown_at() {
  local found given blob path manifest
  found=$(lost_of ${kept[@]+"${kept[@]}"}) && given=$(given_up) || return
  while IFS=$'\t' read -r blob path manifest; do
    if [[ -z $blob ]] || is_another "$manifest" || grep -qxF "$blob" <<<"$given"; then continue; fi
    printf '%s\t%s\t%s\n' "$blob" "$1" "$path"
  done <<<"$found"
}

# Prints the blobs of results that a person gave up.
given_up() {
  if git cat-file -e "$ledger:given-up" 2>/dev/null; then git cat-file blob "$ledger:given-up"; fi
}

# Whether the manifest at path $1, which results name, is of another campaign of this name, with results of its own: in
# another folder of the default branch, and certainly with this name, as a plain line or in JSON.
# (Any other spelling is overlooked: that only means one start by hand.)
is_another() {
  local content commit=$tip folder=
  if [[ $1 == */* ]]; then folder=${1%/*}/; fi
  if [[ $folder == "$own" ]]; then return 1; fi
  if [[ $FOLDER == .campaign-results ]]; then commit=$elsewhere; fi
  content=$(git cat-file blob "$commit:$1" 2>/dev/null | tr -d '\0') || return 1
  if ! grep -qE "version[\"']?[[:space:]]*:[[:space:]]*1" <<<"$content"; then return 1; fi
  grep -qE "^name:[[:space:]]*$value" <<<"$content" || python3 -I -c "$IS_MANIFEST" "$name" 2>/dev/null <<<"$content"
}
readonly IS_MANIFEST='import json, sys; found = json.load(sys.stdin); sys.exit(found["version"] != 1 or found["name"] != sys.argv[1])'

# Fetches the rest of the history of commit $1, on branch $2, if the checkout is shallow. Of the other branch, without the
# content of files, which may be large; git then fetches what is looked at.
fetch_history() {
  local shallow filter all=(--unshallow)
  shallow=$(git rev-parse --git-path shallow)
  if [[ -s $shallow ]] && git rev-list --max-parents=0 "$1" | grep -xF -f "$shallow" >/dev/null; then
    filter=$(git config remote.origin.partialCloneFilter || true)
    if [[ $2 == "$OTHER" ]]; then all+=(--filter="${filter:-blob:none}"); fi
    git fetch --quiet --no-tags "${all[@]}" origin "refs/heads/$2" || return
    # Git keeps the filter, and later fetches should be complete.
    if [[ -z $filter ]]; then git config --unset remote.origin.partialCloneFilter || true; fi
  fi
}

# Whether commit $1 is here, or the server sends it: after a force push, it may refuse.
is_fetched() {
  git cat-file -e "$1^{commit}" 2>/dev/null || git fetch --quiet --no-tags origin "$1" 2>/dev/null
}

# Tells what to do about results that this run does not know, as `find_unknown` prints them.
found_at() {
  local blob where path file put="put them at"
  IFS=$'\t' read -r blob where path <<<"$1"
  file=${path##*/}
  if [[ $file == *-of-earlier.json ]]; then file=$name.results.json; fi
  if [[ -e $FOLDER/$file ]]; then put="join them (\`pipeline merge\`) with"; fi
  echo "$where has or had results of $name at $path, which this run does not know. If they are of this campaign, $put $PREFIX$file on $BRANCH."
  if [[ $where == "The ledger "* ]]; then
    echo "This prints them: git fetch origin $LEDGER && git cat-file blob $blob"
  fi
}

# Whether this run has published anything, in an earlier attempt or another shard.
has_begun() {
  [[ -n ${CAMPAIGN_RUN:-} ]] && git cat-file blob "$ledger:started" 2>/dev/null | grep -xF "$CAMPAIGN_RUN" >/dev/null
}

# Records that a person gives up what this run does not know, whether it buys anything or not.
give_up() {
  local blob tree before=
  while [[ $ledger != "$before" ]]; do
    blob=$({ given_up && cut -f 1 <<<"$unknown"; } | sort -u | git hash-object -w --stdin)
    tree=$({ git ls-tree "$ledger" | sed $'/\tgiven-up$/d' && printf '100644 blob %s\tgiven-up\n' "$blob"; } | git mktree)
    if push_with_ledger "$tree"; then return; fi
    before=$ledger
    ledger=$(fetch_ledger)
  done
  echo "first=$name could not be recorded: the push to $LEDGER was refused. Does this job lack the permission to write?" >&2
  end 8
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
