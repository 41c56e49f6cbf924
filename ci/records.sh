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

# An empty folder for saved plans, whatever a pull request has put there, a link for instance.
empty_plans() {
  rm -rf -- "$PLANS"
  mkdir "$PLANS"
}

# The results as this machine last took them over or published them: what differs from them is another's work.
# shellcheck disable=SC2034 # for those that source this
BASE=refs/campaign-results/base

# Notes in a commit of results that a person had a campaign start anew: its name, and the tip of the branch then.
# shellcheck disable=SC2034 # for those that source this
STARTED_ANEW=Campaign-Started-Anew

# Saved plans, in a folder whose name artifacts keep. A plan names its manifest relative to itself.
PLANS=campaign-plans

# The saved plan in its place, wherever it came from; it says which manifest is run.
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

case ${CAMPAIGN_RESULTS:-branch} in
  branch)
    BRANCH=${CAMPAIGN_RESULTS_BRANCH:-campaign-results}
    FOLDER=.campaign-results
    PREFIX=
    ;;
  beside)
    BRANCH=${CAMPAIGN_DEFAULT_BRANCH:-main}
    FOLDER=$(dirname -- "${CAMPAIGN_MANIFEST:-.}")
    PREFIX=$(git -C "$FOLDER" rev-parse --show-prefix)
    ;;
  *)
    echo "results: expected 'branch' or 'beside', not '$CAMPAIGN_RESULTS'" >&2
    exit 64
    ;;
esac

# What git is not told, as arguments of `env`: all secrets but the token that it asks for. Where it has no token of
# ours, one of them may be what its own helper needs, but no vendor's key.
hidden=()
while IFS= read -r name; do
  if [[ $name != CAMPAIGN_PUSH_TOKEN ]]; then hidden+=(-u "$name"); fi
done < <(if [[ -n ${CAMPAIGN_PUSH_TOKEN:-} ]]; then secret_names; else key_names; fi)

# No hook of this machine or of the checkout is run, and git is told nothing that it has no need of.
git() {
  env ${hidden[@]+"${hidden[@]}"} git -c core.hooksPath=/dev/null ${CAMPAIGN_PUSH_TOKEN:+-c credential.helper=} "$@"
}

# Runs a command that calls no vendor and pushes nothing.
without_keys() {
  local name keys=(-u CAMPAIGN_PUSH_TOKEN)
  while IFS= read -r name; do keys+=(-u "$name"); done < <(key_names)
  env "${keys[@]}" "$@"
}

# The token is asked for when it is needed: in .git/config the next job on this machine would find it.
# shellcheck disable=SC2154 # set by those that source this
if [[ -n ${CAMPAIGN_PUSH_TOKEN:-} ]]; then export GIT_ASKPASS=$here/askpass.sh; fi
export GIT_TERMINAL_PROMPT=0
export GIT_AUTHOR_NAME=${GIT_AUTHOR_NAME:-campaign-pipeline}
export GIT_AUTHOR_EMAIL=${GIT_AUTHOR_EMAIL:-campaign-pipeline@localhost}
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL

# Prints what stands for a branch that is not there: always the same commit, so that a second look finds it unchanged.
no_branch() {
  GIT_AUTHOR_DATE='@0 +0000' GIT_COMMITTER_DATE='@0 +0000' \
    git commit-tree -m "Results of campaigns" "$(git mktree </dev/null)"
}

# Prints the commit at the tip of the branch; an empty beginning while there is no branch for results yet.
fetch_tip() {
  local code=0
  git ls-remote --exit-code origin "refs/heads/$BRANCH" >/dev/null || code=$?
  if [[ $code == 2 && -z $PREFIX && $FOLDER == .campaign-results ]]; then
    no_branch
  else
    git fetch --quiet --no-tags origin "refs/heads/$BRANCH" && git rev-parse FETCH_HEAD
  fi
}

# Prints the file that commit $1 holds at path $2, as the id of a blob; nothing where it holds none.
blob_at() {
  if [[ $(git cat-file -t "$1:$2" 2>/dev/null) == blob ]]; then git rev-parse "$1:$2"; fi
}

# Prints the results manifests that commit $1 holds: of each its blob, a tab and its path, ended by a NUL.
records_of() {
  local path about
  git ls-tree -z "$1" ${PREFIX:+"$PREFIX"} | while IFS=$'\t' read -r -d '' about path; do
    # A folder or a link of that name is nothing that a run has published.
    if [[ $about == 100*\ blob\ * ]] && is_record "$path"; then printf '%s\t%s\0' "${about##* }" "$path"; fi
  done
}

# Puts the results manifests of commit $1 into FOLDER.
take_over() {
  local path blob
  if [[ $FOLDER == .campaign-results ]]; then
    rm -rf -- "$FOLDER" # whatever a pull request has put there, a link for instance
    mkdir "$FOLDER"
  fi
  records_of "$1" | while IFS=$'\t' read -r -d '' blob path; do
    git cat-file blob "$blob" >"$FOLDER/$(basename -- "$path")"
  done
}

# Prints the name of the campaign that a results manifest at path $1 is of, all of it or a part.
campaign_of() {
  local name
  name=$(basename -- "$1")
  name=${name%.results.json}
  printf '%s\n' "${name%.results.*-of-*.json}"
}

# Whether a file is a results manifest, of a campaign or of a part of it; those of rehearsals are nobody's business.
is_record() {
  [[ $1 == *.results.json || $1 == *.results.*-of-*.json ]] && [[ $1 != *.emulated.results.* ]]
}
