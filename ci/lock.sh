#!/usr/bin/env bash
# Writes the lock files anew: every version with its hashes, for all systems and all Pythons that are supported. They
# name no registry, as everybody has their own. Wants `uv` on the PATH.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export UV_CUSTOM_COMPILE_COMMAND="make lock"
compile() { # FILE ARGUMENT...
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url \
    --no-emit-find-links --output-file "locks/$1" pyproject.toml "${@:2}"
}

compile dev.txt --extra all --group dev "$@"
# The other files use the versions of dev.txt.
compile all.txt --extra all --group build --constraints locks/dev.txt
compile release.txt --group release --constraints locks/dev.txt
compile base.txt --group build --constraints locks/dev.txt
compile image.txt --extra otel --extra postgres --extra s3 --constraints locks/dev.txt
