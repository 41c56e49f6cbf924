# shellcheck shell=bash
# Which variables of the environment are secrets, by their names: a provider's plug-in calls its key as it likes. Sourced
# by the scripts beside it.

# Prints the names of those that no tool needs but the one they are meant for: the vendor's key, those of plug-ins, and
# the tokens that write comments.
key_names() {
  compgen -e | grep -E '^(VIMMERSE_.*KEY|.*API_?KEY|CAMPAIGN_TOKEN|CAMPAIGN_NOTE_TOKEN)$' || true
}

# Prints the names of all that look like one. What is meant for pip and git is theirs.
secret_names() {
  compgen -e | grep -Ev '^(PIP|GIT|SSH)_' |
    grep -E '(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$|^PIPELINE_STATE$' || true
}
