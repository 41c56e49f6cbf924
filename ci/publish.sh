#!/usr/bin/env bash
# Publishes the results manifests that this machine has changed, and nothing else: the checkpoint of a run.
#
# It ends with 0 only when their branch holds them. It fails when another machine has changed the same file since this
# one last looked; so the branch is a lock between machines. Other files may change there as they like.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ci/records.sh
. "$here/records.sh"

# The files and the index of the checkout stay as they are: a run is reading them.
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
export GIT_INDEX_FILE=$scratch/index

# Prints the tree of $1 with the files that the rest names.
tree_with() {
  git read-tree "$1" && git update-index --add "${@:2}" && git write-tree
}

refused=
while true; do
  tip=$(fetch_tip)
  if [[ $tip == "$refused" ]]; then
    echo "The push to $BRANCH was refused. Is the branch protected, or may this job not write?" >&2
    exit 1
  fi
  changed=()
  for file in "$FOLDER"/*.results.json; do
    if ! [[ -f $file ]] || ! is_record "$file"; then continue; fi
    path=$PREFIX$(basename -- "$file")
    ours=$(git hash-object -w -- "$file")
    base=$(blob_at "$BASE" "$path")
    theirs=$(blob_at "$tip" "$path")
    if [[ $ours == "$base" ]]; then continue; fi
    # A push whose answer was lost has put our own file there.
    if [[ $theirs != "$base" && $theirs != "$ours" ]]; then
      echo "$path was changed on $BRANCH by another machine" >&2
      exit 1
    fi
    changed+=(--cacheinfo "100644,$ours,$path")
  done
  if [[ ${#changed[@]} == 0 ]]; then exit 0; fi

  # One commit on the tip of the branch: a push that finds the branch elsewhere by now is refused.
  tree=$(tree_with "$tip" "${changed[@]}")
  commit=$(git commit-tree -p "$tip" -m "Results of a campaign [skip ci]" "$tree")
  if git push --quiet origin "$commit:refs/heads/$BRANCH"; then
    # Only our own files: what others have published meanwhile is not in our folder, and not ours to put back.
    git update-ref "$BASE" "$(tree_with "$BASE" "${changed[@]}")"
    exit 0
  fi
  refused=$tip
done
