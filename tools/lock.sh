#!/usr/bin/env bash
# Renews the hashed lock files from pyproject.toml; no index address gets into them.
set -euo pipefail
cd "$(dirname "$0")/.."
# A company's own certificates are in the system's store; where there is none, uv brings its own.
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then export UV_SYSTEM_CERTS=1; fi
compile() {
  .venv/bin/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 \
    --no-emit-index-url --no-annotate --no-header "$@"
}
compile --extra operator --extra kubeconfig --extra plugin --group dev pyproject.toml emulator/pyproject.toml -o requirements/dev.txt
compile - -o requirements/uv.txt <<<uv
# What make setup-host adds to .venv; setuptools builds it.
compile - -c requirements/dev.txt -o requirements/libvirt.txt <<<$'libvirt-python\nsetuptools'
# What the images install, what builds the wheel in them, and the lab's image of the emulator.
compile --extra operator pyproject.toml -c requirements/dev.txt -o requirements/runtime.txt
compile - -c requirements/dev.txt -o requirements/build.txt <<<$'hatchling\nhatch-fancy-pypi-readme'
compile emulator/pyproject.toml -c requirements/dev.txt -o requirements/emulator.txt
