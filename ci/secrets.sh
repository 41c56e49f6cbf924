# shellcheck shell=bash
# Which variables of the environment are secrets, by their names: a provider's plug-in calls its key as it likes. Sourced
# by the scripts beside it.

# Prints the names of secrets that only one tool needs: the vendor's key, those of plug-ins, and the tokens that write
# comments.
key_names() {
  compgen -e | grep -E '^(VIMMERSE_.*KEY|.*API_?KEY|CAMPAIGN_TOKEN|CAMPAIGN_NOTE_TOKEN)$' || true
}

# Prints the names of all variables that look like secrets, except those of pip, git and SSH.
secret_names() {
  compgen -e | grep -Ev '^(PIP|GIT|SSH)_' |
    grep -E '(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$|^PIPELINE_STATE$' || true
}
