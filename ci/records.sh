# shellcheck shell=bash
# Where the results manifests are kept in git. Sourced by the scripts beside it, at the top of a checkout.
#
#   CAMPAIGN_RESULTS         branch: on a separate branch, here in the folder .campaign-results (the default)
#                            beside: beside the manifest, on the branch CAMPAIGN_DEFAULT_BRANCH
#   CAMPAIGN_RESULTS_BRANCH  the name of that branch (campaign-results)
#   CAMPAIGN_MANIFEST        the campaign to run
#   CAMPAIGN_PUSH_URL        where to push results (default: `origin`)
#   CAMPAIGN_PUSH_TOKEN      a token that may push there, of the user CAMPAIGN_PUSH_USER. Without it, git needs its own

# shellcheck source=ci/secrets.sh disable=SC2154 # `here` is set by those that source this
. "$here/secrets.sh"

# Flags can be set through variables, but not those that these scripts rely on.
unset PIPELINE_DETAILED_EXITCODE PIPELINE_WATCH

# Creates an empty folder for saved plans, replacing anything that a pull request put there, such as a symbolic link.
empty_plans() {
  rm -rf -- "$PLANS"
  mkdir "$PLANS"
}

# The results as this machine last fetched or published them. If the branch has others, another machine changed them.
# shellcheck disable=SC2034 # for those that source this
BASE=refs/campaign-results/base

# The folder of saved plans. It keeps its name in artifacts, since a plan names its manifest relative to itself.
PLANS=campaign-plans

# Move the saved plan into that folder, wherever it came from. It determines which manifest is run.
if [[ -n ${CAMPAIGN_SAVED_PLAN:-} ]]; then
  if ! [[ $CAMPAIGN_SAVED_PLAN -ef $PLANS/$(basename -- "$CAMPAIGN_SAVED_PLAN") ]]; then
    kept=$(mktemp)
    cp -- "$CAMPAIGN_SAVED_PLAN" "$kept"
    empty_plans
    mv -- "$kept" "$PLANS/$(basename -- "$CAMPAIGN_SAVED_PLAN")"
  fi
  CAMPAIGN_SAVED_PLAN=$PLANS/$(basename -- "$CAMPAIGN_SAVED_PLAN")
  CAMPAIGN_MANIFEST=$PLANS/$(python3 -I "$here/plans.py" --field manifest "$CAMPAIGN_SAVED_PLAN")
fi

# BRANCH has the results, OTHER would have them with the other setting.
SETTING=${CAMPAIGN_RESULTS:-branch}
# shellcheck disable=SC2034 # for those that source this
case $SETTING in
  branch)
    BRANCH=${CAMPAIGN_RESULTS_BRANCH:-campaign-results}
    OTHER=${CAMPAIGN_DEFAULT_BRANCH:-main}
    FOLDER=.campaign-results
    PREFIX=
    ;;
  beside)
    BRANCH=${CAMPAIGN_DEFAULT_BRANCH:-main}
    OTHER=${CAMPAIGN_RESULTS_BRANCH:-campaign-results}
    FOLDER=$(dirname -- "${CAMPAIGN_MANIFEST:-.}")
    # Not to be taken for an option or a url.
    if [[ $FOLDER != /* ]]; then FOLDER=./$FOLDER; fi
    if [[ $(git -C "$FOLDER" rev-parse --show-toplevel 2>&1) != "$(git rev-parse --show-toplevel)" ]]; then
      echo "results: beside: $CAMPAIGN_MANIFEST is in another repository, such as a submodule, or in none, and results are pushed to this one. Use results: branch." >&2
      exit 64
    fi
    PREFIX=$(git -C "$FOLDER" rev-parse --show-prefix)
    ;;
  *)
    echo "results: expected 'branch' or 'beside', not '$SETTING'" >&2
    exit 64
    ;;
esac

# Arguments of `env` that hide secrets from git. With a push token, all others are hidden. Without one, git's own
# credential helper may need one of them, so only keys are hidden that git never needs, such as the vendor's.
hidden=()
while IFS= read -r name; do
  if [[ $name != CAMPAIGN_PUSH_TOKEN ]]; then hidden+=(-u "$name"); fi
done < <(if [[ -n ${CAMPAIGN_PUSH_TOKEN:-} ]]; then secret_names; else key_names; fi)

# Runs git without hooks, those of the machine or of the checkout, and without secrets that it does not need.
git() {
  env ${hidden[@]+"${hidden[@]}"} git -c core.hooksPath=/dev/null ${CAMPAIGN_PUSH_TOKEN:+-c credential.helper=} "$@"
}

# Runs a command without keys and push token, for commands that neither call a vendor nor push.
without_keys() {
  local name keys=(-u CAMPAIGN_PUSH_TOKEN)
  while IFS= read -r name; do keys+=(-u "$name"); done < <(key_names)
  env "${keys[@]}" "$@"
}

# Runs `lost.py` with the environment of git: in a partial clone, it lets git fetch older results.
lost_of() {
  env ${hidden[@]+"${hidden[@]}"} python3 -I "$here/lost.py" "$@"
}

# Git asks for the token when it needs it. In .git/config, the next job on this machine could read it.
# shellcheck disable=SC2154 # set by those that source this
if [[ -n ${CAMPAIGN_PUSH_TOKEN:-} ]]; then export GIT_ASKPASS=$here/askpass.sh; fi
export GIT_TERMINAL_PROMPT=0
export GIT_AUTHOR_NAME=${GIT_AUTHOR_NAME:-campaign-pipeline}
export GIT_AUTHOR_EMAIL=${GIT_AUTHOR_EMAIL:-campaign-pipeline@localhost}
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL

# Prints an empty commit that stands for a missing branch. It is always the same, whoever starts the run, so that the tip
# does not seem to move.
no_branch() {
  GIT_AUTHOR_NAME=campaign-pipeline GIT_AUTHOR_EMAIL=campaign-pipeline@localhost GIT_AUTHOR_DATE='@0 +0000' \
    GIT_COMMITTER_NAME=campaign-pipeline GIT_COMMITTER_EMAIL=campaign-pipeline@localhost GIT_COMMITTER_DATE='@0 +0000' \
    git commit-tree -m "Results of campaigns" "$(git mktree </dev/null)"
}

# Prints the commit of ref $2 on remote $1; nothing if it has none. Git lists also refs of which the name is only the end.
remote_ref() {
  local listed commit ref
  listed=$(git ls-remote "$1" "$2") || return
  while read -r commit ref; do
    if [[ $ref == "$2" ]]; then echo "$commit"; fi
  done <<<"$listed"
}

# Prints the commit at the tip of branch $1, or of the branch with the results; an empty commit if there is no such branch.
# Only that of results beside the manifest has to exist.
fetch_tip() {
  local branch=${1:-$BRANCH} commit
  commit=$(remote_ref origin "refs/heads/$branch") || return
  if [[ -z $commit && ($FOLDER == .campaign-results || $branch != "$BRANCH") ]]; then
    no_branch
  else
    git fetch --quiet --no-tags origin "refs/heads/$branch" && git rev-parse FETCH_HEAD
  fi
}

# Prints the ref of the ledger of campaign $1. It is on the server and no branch, so what happens to branches does not
# matter to it. It has, in a single commit:
#
#   branch/…, beside/…  results as last published with that setting, at their paths on its branch
#   given-up            the blobs of results that a person did without
#   started             the runs with CAMPAIGN_FIRST that have published
#
# A push of results updates it too, or is refused. So it knows all that was bought since it began.
ledger_of() { echo "refs/campaign-ledger/$1"; }

# Prints the commit of LEDGER on the server; an empty commit if it has none.
fetch_ledger() {
  local commit
  commit=$(remote_ref "${CAMPAIGN_PUSH_URL:-origin}" "$LEDGER") || return
  if [[ -z $commit ]]; then
    no_branch
  elif git cat-file -e "$commit^{tree}" 2>/dev/null; then
    echo "$commit"
  else
    git fetch --quiet --no-tags "${CAMPAIGN_PUSH_URL:-origin}" "$LEDGER" && git rev-parse FETCH_HEAD
  fi
}

# Whether object $1 can be read as a ledger.
is_ledger() {
  local listed
  listed=$(git ls-tree "$1" 2>/dev/null) &&
    ! grep -E $' (tree [0-9a-f]+\t(given-up|started)|(blob|commit) [0-9a-f]+\t(branch|beside))$' <<<"$listed" >/dev/null
}

# Pushes the refspecs $2… and, unless it is empty, tree $1 as the ledger, which is at commit `ledger` now: all or nothing.
push_with_ledger() {
  local refs=("${@:2}") lease=() expected=$ledger
  if [[ -n $1 ]]; then
    if [[ $expected == "$(no_branch)" ]]; then expected=; fi
    # Without a parent, so that it does not grow with each push; the lease keeps it from replacing a newer one.
    lease=(--force-with-lease="$LEDGER:$expected")
    refs+=("$(git commit-tree -m "Results of a campaign" "$1"):$LEDGER")
  fi
  git push --quiet --atomic ${lease[@]+"${lease[@]}"} "${CAMPAIGN_PUSH_URL:-origin}" "${refs[@]}"
}

# Prints the blob id of the file at path $2 in commit $1; nothing if there is no such file.
blob_at() {
  if [[ $(git cat-file -t "$1:$2" 2>/dev/null) == blob ]]; then git rev-parse "$1:$2"; fi
}

# Prints the results manifests in commit $1: for each, its blob id, a tab, its path and a NUL.
records_of() {
  local path about
  GIT_LITERAL_PATHSPECS=1 git ls-tree -z -- "$1" ${PREFIX:+"$PREFIX"} | while IFS=$'\t' read -r -d '' about path; do
    # Runs publish regular files only, so folders and symbolic links with such a name are ignored.
    if [[ $about == 100*\ blob\ * ]] && is_record "$path"; then printf '%s\t%s\0' "${about##* }" "$path"; fi
  done
}

# Writes the results manifests of commit $1 into FOLDER.
take_over() {
  local path blob
  if [[ $FOLDER == .campaign-results ]]; then
    rm -rf -- "$FOLDER" # anything that a pull request put there, such as a symbolic link
    mkdir "$FOLDER"
  fi
  records_of "$1" | while IFS=$'\t' read -r -d '' blob path; do
    git cat-file blob "$blob" >"$FOLDER/$(basename -- "$path")"
  done
}

# Prints the name of the campaign to which the results manifest at path $1 belongs, whole or a part.
campaign_of() {
  local name
  name=$(basename -- "$1")
  name=${name%.results.json}
  printf '%s\n' "${name%.results.*-of-*.json}"
}

# Whether a file is a results manifest, of a campaign or of a part of it. Those of rehearsals are never published.
is_record() {
  [[ $1 == *.results.json || $1 == *.results.*-of-*.json ]] && [[ $1 != *.emulated.results.* ]]
}
