#!/usr/bin/env bash
# Runs one campaign with the newest results, and publishes them before each wave of creates and at the end.
#
#   CAMPAIGN_MANIFEST  the campaign
#   CAMPAIGN_FIRST     true: it has never run before, so there need be no results
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ci/records.sh
. "$here/records.sh"

tip=$(fetch_tip)
git update-ref "$BASE" "$tip"
take_over "$tip"

flags=(--yes --results "$FOLDER/" --checkpoint "$(printf %q "$here/publish.sh")")
# Missing results never count as a first run by themselves: a branch that was deleted or misnamed looks just the same,
# and then everything would be bought again.
if [[ ${CAMPAIGN_FIRST:-false} != true ]]; then
  flags+=(--require-results)
  if ! compgen -G "$FOLDER/*.results.json" >/dev/null; then
    echo "There are no results on the branch $BRANCH. Start a campaign's first run by hand, with 'first'."
  fi
fi

# In the place of this shell, so that the signal of a cancelled job reaches it.
exec pipeline run "${flags[@]}" -- "$CAMPAIGN_MANIFEST"
