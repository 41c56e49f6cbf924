#!/usr/bin/env bash
# Publishes the results manifests of a campaign that this machine has changed, and nothing else: the checkpoint of a run.
#
# It exits with 0 only when the branch for results has them and the run's files have not changed on its own branch. If
# another machine has changed the same results, it joins both and exits with 75, to be run again. Before the push, it
# fetches the results of other parts of the campaign, however it is divided. So the branch is a lock between machines:
# whoever publishes later has everything that was published before, and the run reads it before it sends anything. Other
# files on the branch may change freely. The ledger of the campaign is pushed along: the server takes both or neither.
#
#   CAMPAIGN_NAME           the name of the campaign (set by `run.sh` and `settle.sh`)
#   PIPELINE_INPUTS         the file that lists what determines the purchases (set by the run)
#   CAMPAIGN_SOURCE_BRANCH  the branch that this checkout is a commit of (default: CAMPAIGN_DEFAULT_BRANCH, or main)
#   CAMPAIGN_KNOWN          set by `run.sh`, which knows all results that there are: what is published may begin a ledger
#   CAMPAIGN_FIRST, CAMPAIGN_RUN  as in `run.sh`
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ci/records.sh
. "$here/records.sh"

# A separate index, so that the checkout stays as it is: a run is reading it.
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
export GIT_INDEX_FILE=$scratch/index

# Prints the id of the tree of $1, updated with the files in the other arguments.
tree_with() {
  git read-tree "$1" && git update-index --add "${@:2}" && git write-tree
}

# Fails if the tip of the branch no longer has the files that this run was planned from.
# Compares commits, because git attributes can alter the files of a checkout.
assert_current() {
  local source=${CAMPAIGN_SOURCE_BRANCH:-${CAMPAIGN_DEFAULT_BRANCH:-main}} tip changed
  local top manifest project outer inputs=${PIPELINE_INPUTS:-}
  if ! [[ -s ${PIPELINE_INPUTS:-} ]]; then return; fi
  git fetch --quiet --no-tags origin "refs/heads/$source"
  tip=$(git rev-parse FETCH_HEAD)
  top=$(git rev-parse --show-toplevel)
  manifest=$(python3 -I -c 'import os, sys; print(os.path.realpath(sys.argv[1]))' "$CAMPAIGN_MANIFEST")
  project=$(git -C "$(dirname -- "$manifest")" rev-parse --show-toplevel)
  if [[ $project != "$top" ]]; then
    # The campaign is in a submodule. Commits here record only which commit of it is used, not its files; of nested
    # submodules, they record only the outermost.
    while outer=$(git -C "$project" rev-parse --show-superproject-working-tree) && [[ -n $outer && $outer != "$top" ]]; do
      project=$outer
    done
    inputs=$scratch/inputs
    printf '%s\0' "$CAMPAIGN_MANIFEST" "${project#"$top/"}" >"$inputs"
  fi
  changed=$(
    cd "$top"
    GIT_LITERAL_PATHSPECS=1 env ${hidden[@]+"${hidden[@]}"} \
      xargs -0 git diff-tree -r --no-renames --name-only HEAD "$tip" -- <"$inputs"
  )
  if [[ -n $changed ]]; then
    echo "$source has moved on: ${changed%%$'\n'*} has changed since this run was planned; the run of the newer commit buys what is left, and running this one again does not help" >&2
    # The same attempt again would not do better.
    if [[ -n ${GITHUB_OUTPUT:-} ]]; then echo "outdated=true" >>"$GITHUB_OUTPUT"; fi
    exit 1
  fi
}

# Copies the results of other parts of the campaign from the tip into our folder, if they are new here.
#
# A part that was deleted from the branch stays here: additional records can never cause a second purchase.
take_over_parts() {
  local blob path file known=()
  records_of "$tip" >"$scratch/records"
  while IFS=$'\t' read -r -d '' blob path; do
    if [[ $(campaign_of "$path") != "$CAMPAIGN_NAME" || $blob == "$(blob_at "$BASE" "$path")" ]]; then continue; fi
    # Renamed into place, so that it is never incomplete, for a reader or after a crash.
    file=$FOLDER/.$(basename -- "$path").fetched
    rm -rf -- "$file"
    git cat-file blob "$blob" >"$file"
    mv -f -- "$file" "$FOLDER/$(basename -- "$path")"
    known+=(--cacheinfo "100644,$blob,$path")
  done <"$scratch/records"
  # BASE is updated after the files. The other way round, an old file would look like a change of our own, and would
  # then replace the newer one on the branch.
  if [[ ${#known[@]} != 0 ]]; then git update-ref "$BASE" "$(tree_with "$BASE" "${known[@]}")"; fi
}

# Prints the tree of the ledger once the branch is at commit $1.
ledger_tree() {
  local blob path before back listed entries=()
  listed=$(git ls-tree -r "$ledger")
  records_of "$1" >"$scratch/records"
  while IFS=$'\t' read -r -d '' blob path; do
    if [[ $(campaign_of "$path") != "$CAMPAIGN_NAME" || $listed == *" $blob"$'\t'"$SETTING/$path"* ]]; then continue; fi
    # Nobody knows what a file has that was damaged by hand; once it was mended, the next publication has it.
    if [[ "${changed[*]-}" != *"$blob"* ]] && ! is_readable "$blob"; then continue; fi
    before=$(blob_at "$ledger" "$SETTING/$path")
    # If the branch has lost what is there, it is kept. What our own file no longer has of what we found was let go.
    if [[ "${changed[*]-}" == *",$blob,$path"* && $before == "$(blob_at "$BASE" "$path")" ]]; then before=; fi
    if [[ -n $before && -n $(lost_at "$1" "$before") ]]; then
      entries+=(--cacheinfo "100644,$before,$SETTING/$PREFIX$CAMPAIGN_NAME.results.$before-of-earlier.json")
    fi
    entries+=(--cacheinfo "100644,$blob,$SETTING/$path")
  done <"$scratch/records"
  if [[ ${CAMPAIGN_FIRST:-} == "$CAMPAIGN_NAME" && -n ${CAMPAIGN_RUN:-} ]]; then
    { git cat-file blob "$ledger:started" 2>/dev/null || true; echo "$CAMPAIGN_RUN"; } | sort -u >"$scratch/started"
    entries+=(--cacheinfo "100644,$(git hash-object -w --no-filters -- "$scratch/started"),started")
  fi
  git cat-file blob "$ledger:given-up" >"$scratch/given" 2>/dev/null || true
  back=$(put_back "$1")
  if [[ -n $back ]]; then
    grep -vxF "$back" "$scratch/given" >"$scratch/left" || true
    entries+=(--force-remove given-up)
    if [[ -s $scratch/left ]]; then
      entries+=(--cacheinfo "100644,$(git hash-object -w --no-filters -- "$scratch/left"),given-up")
    fi
  fi
  tree_with "$ledger" ${entries[@]+"${entries[@]}"}
}

# Prints the blobs that a person gave up, as far as their purchases are in commit $1 again: they are missed from now on.
put_back() {
  local blob type lost found=()
  while read -r blob type; do
    if [[ $type == blob ]]; then found+=("$blob"); fi
  done < <(git cat-file --batch-check='%(objectname) %(objecttype)' <"$scratch/given")
  if [[ ${#found[@]} == 0 ]]; then return; fi
  lost=$(lost_at "$1" "${found[@]}")
  for blob in "${found[@]}"; do
    if [[ $lost != *"$blob"* ]]; then echo "$blob"; fi
  done
}

# Prints a line for each of the blobs $2… if, as results, it has purchases that those in commit $1 lack.
lost_at() {
  local blob path known=()
  while IFS=$'\t' read -r -d '' blob path; do
    if [[ $(campaign_of "$path") != "$CAMPAIGN_NAME" ]] || ! is_readable "$blob"; then continue; fi
    git cat-file blob "$blob" >"$scratch/$blob"
    known+=("$scratch/$blob")
  done < <(records_of "$1")
  for blob in "${@:2}"; do printf ':100644 000000 %s %s D\0%s\0' "$blob" "$blob" "$blob"; done |
    lost_of ${known[@]+"${known[@]}"}
}

# Whether blob $1 can be read as results.
is_readable() {
  git cat-file blob "$1" | python3 -I -c 'import json, sys; json.load(sys.stdin)["purchases"]' 2>/dev/null
}

LEDGER=$(ledger_of "$CAMPAIGN_NAME")
refused=
attempts=0
while true; do
  # Before the tip, so that it cannot have results that the tip lacks.
  ledger=$(fetch_ledger)
  tip=$(fetch_tip)
  if [[ "$tip $ledger" != "$refused" ]]; then attempts=0; fi
  # A failed push is retried once, in case the server or the network failed only briefly.
  if [[ $attempts -ge 2 ]]; then
    echo "The push to $BRANCH and $LEDGER was refused. Is the branch protected, or does this job lack the permission to write?" >&2
    exit 1
  fi
  changed=()
  joined=()
  for file in "$FOLDER"/*.results.json "$FOLDER"/*.results.*-of-*.json; do
    if ! [[ -f $file ]] || ! is_record "$file" || [[ $(campaign_of "$file") != "$CAMPAIGN_NAME" ]]; then continue; fi
    path=$PREFIX$(basename -- "$file")
    # Byte for byte: the repository's attributes must not alter records.
    ours=$(git hash-object -w --no-filters -- "$file")
    base=$(blob_at "$BASE" "$path")
    theirs=$(blob_at "$tip" "$path")
    if [[ $ours == "$base" ]]; then continue; fi
    # The branch has our own file if an earlier push arrived but its response was lost.
    if [[ $theirs == "$base" || $theirs == "$ours" ]]; then
      changed+=(--cacheinfo "100644,$ours,$path")
    elif [[ -z $theirs ]]; then
      echo "$path is gone from $BRANCH, where this machine found it before" >&2
      exit 1
    else
      git cat-file blob "$theirs" >"$scratch/theirs.json"
      pipeline merge --quiet "$file" "$scratch/theirs.json" --out "$file"
      joined+=(--cacheinfo "100644,$theirs,$path")
    fi
  done
  if [[ ${#joined[@]} != 0 ]]; then
    git update-ref "$BASE" "$(tree_with "$BASE" "${joined[@]}")"
    echo "${joined[1]#*,*,} was changed on $BRANCH by another machine; both are joined now" >&2
    exit 75
  fi

  # One commit on the tip: if the branch has moved by then, git refuses the push. So with the ledger.
  after=$tip
  refs=()
  if [[ ${#changed[@]} != 0 ]]; then
    take_over_parts
    tree=$(tree_with "$tip" "${changed[@]}")
    after=$(git commit-tree -p "$tip" -m "Results of a campaign [skip ci]" "$tree")
    refs+=("$after:refs/heads/$BRANCH")
  fi
  tree=
  if [[ -n ${CAMPAIGN_KNOWN:-} || $ledger != "$(no_branch)" ]]; then tree=$(ledger_tree "$after"); fi
  if [[ $tree == "$(git rev-parse "$ledger^{tree}")" ]]; then tree=; fi
  if [[ -z $tree && ${#refs[@]} == 0 ]]; then break; fi
  if push_with_ledger "$tree" ${refs[@]+"${refs[@]}"}; then
    # Only our own files: BASE must not claim that our folder has what others have published meanwhile.
    if [[ ${#changed[@]} != 0 ]]; then git update-ref "$BASE" "$(tree_with "$BASE" "${changed[@]}")"; fi
    break
  fi
  refused="$tip $ledger"
  attempts=$((attempts + 1))
done

# Checked last: results are published even if the run has to end here.
assert_current
