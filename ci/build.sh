#!/usr/bin/env bash
# Builds sdist and wheel of this commit, twice, and keeps them only where both are equal byte for byte.
#
#   ci/build.sh FOLDER
#
#   CAMPAIGN_PYTHON   a Python that has what locks/base.txt names
set -euo pipefail
target=$(mkdir -p "${1:?the folder for the archives}" && cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
python=${CAMPAIGN_PYTHON:-.venv/bin/python}
[[ $python == */* && $python != /* ]] && python=$PWD/$python
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for name in one other; do
  # Only files of the commit, no untracked ones. The second copy has other dates and permissions, as for another user.
  mkdir "$work/$name"
  git archive HEAD | tar -x -C "$work/$name"
  [[ $name == one ]] || { find "$work/$name" -exec touch -d '2001-02-03' {} + && chmod -R go-rwx "$work/$name"; }
  (cd "$work/$name" && "$python" -I -m hatchling build -d "$work/$name.dist" >/dev/null 2>&1)
done
if ! diff -r "$work/one.dist" "$work/other.dist"; then
  echo "two builds of this commit are not equal" >&2
  exit 1
fi
cp "$work"/one.dist/* "$target"
(cd "$target" && sha256sum -- *.whl *.tar.gz)
