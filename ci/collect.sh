#!/usr/bin/env bash
# Downloads what a campaign has paid for and verifies its records; buys nothing. `settle.sh` publishes the results.
#
#   CAMPAIGN_MANIFEST  the campaign
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ci/records.sh
. "$here/records.sh"

tip=$(fetch_tip)
git update-ref "$BASE" "$tip"
take_over "$tip"
# `exec` replaces this shell, so that the signal of a cancelled job reaches the commands.
exec python3 -I "$here/forward.py" pipeline collect --results "$FOLDER/" -- "$CAMPAIGN_MANIFEST" \
  ';' pipeline verify --results "$FOLDER/" -- "$CAMPAIGN_MANIFEST"
