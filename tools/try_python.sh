#!/usr/bin/env bash
# Runs the unit tests under another Python, and installs both wheels with every extra: tools/try_python.sh python3.14
set -euo pipefail
python=$(command -v "${1:?name an interpreter}")
cd "$(dirname "$0")/.."
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then export UV_SYSTEM_CERTS=1; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv=.venv/bin/uv
if [ ! -x "$uv" ]; then
  "$python" -m venv "$work/uv"
  "$work/uv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
  uv=$work/uv/bin/uv
fi
"$uv" venv --quiet --python "$python" "$work/venv"
export VIRTUAL_ENV=$work/venv
"$uv" pip sync --quiet --require-hashes requirements/uv.txt requirements/dev.txt
"$uv" pip install --quiet --no-deps --no-build-isolation --editable . --editable emulator
"$work/venv/bin/python" --version
"$work/venv/bin/python" -m pytest -p no:cacheprovider tests/unit tests/integration/release/test_python_packages.py
