#!/usr/bin/env bash
# Publishes what a run could not: it was killed before its last word, or another machine was first. Buys nothing.
# What both machines know is joined, so nothing that was paid is forgotten; the run itself has failed, and stays so.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ci/records.sh
. "$here/records.sh"

# A run that never began has nothing to tell. Results without purchases would pass for records of the campaign.
began=false
for state in "$(dirname -- "$CAMPAIGN_MANIFEST")"/.pipeline/*.db; do
  if [[ -f $state && $state != *.emulated.db ]]; then began=true; fi
done
if ! $began; then exit 0; fi

pipeline results --quiet --results "$FOLDER/" -- "$CAMPAIGN_MANIFEST"
if "$here/publish.sh"; then exit 0; fi

scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
tip=$(fetch_tip)
for file in "$FOLDER"/*.results.json; do
  if ! [[ -f $file ]] || ! is_record "$file"; then continue; fi
  path=$PREFIX$(basename -- "$file")
  base=$(blob_at "$BASE" "$path")
  theirs=$(blob_at "$tip" "$path")
  if [[ -z $theirs || $theirs == "$base" ]]; then continue; fi
  git cat-file blob "$theirs" >"$scratch/theirs.results.json"
  if [[ $(git hash-object -- "$file") == "$base" ]]; then
    cp -- "$scratch/theirs.results.json" "$file"
  else
    pipeline merge --quiet "$file" "$scratch/theirs.results.json" --out "$file"
  fi
done
git update-ref "$BASE" "$tip"
exec "$here/publish.sh"
