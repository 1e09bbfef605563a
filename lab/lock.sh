#!/usr/bin/env bash
# Renews the hashed lock files from pyproject.toml; no index address gets into them.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {
  .venv/bin/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 \
    --no-emit-index-url --no-annotate --no-header "$@"
}
compile --extra emulator --group dev pyproject.toml -o requirements/dev.txt
compile - -o requirements/uv.txt <<<uv
