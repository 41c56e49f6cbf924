#!/usr/bin/env bash
# Answers git when it asks for the user or the password of a remote, so the token that pushes results is in no file and
# in no command's arguments.
set -euo pipefail

case ${1:-} in
  Username*) printf '%s\n' "${CAMPAIGN_PUSH_USER:-x-access-token}" ;;
  *) printf '%s\n' "$CAMPAIGN_PUSH_TOKEN" ;;
esac
