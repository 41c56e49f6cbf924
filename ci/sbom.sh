#!/usr/bin/env bash
# Writes what the package is made of, as CycloneDX has it: itself, and what the image's lock file names. The same commit
# gives the same file.
#
#   ci/sbom.sh FILE
#
#   CAMPAIGN_PYTHON   a Python that has what locks/release.txt names
set -euo pipefail
target=$(realpath -m "${1:?the file to write}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

"${CAMPAIGN_PYTHON:-.venv/bin/python}" -I -m cyclonedx_py requirements --pyproject pyproject.toml --mc-type application \
  --output-reproducible --output-format JSON --output-file "$target" locks/image.txt
