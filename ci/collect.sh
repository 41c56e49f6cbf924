#!/usr/bin/env bash
# Fetches what a campaign has paid for and looks whether all that is known agrees; buys nothing. `settle.sh` publishes it.
#
#   CAMPAIGN_MANIFEST  the campaign
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=ci/records.sh
. "$here/records.sh"

tip=$(fetch_tip)
git update-ref "$BASE" "$tip"
take_over "$tip"
pipeline collect --results "$FOLDER/" -- "$CAMPAIGN_MANIFEST"
exec pipeline verify --results "$FOLDER/" -- "$CAMPAIGN_MANIFEST"
