#!/usr/bin/env bash
# Makes a Python environment with the pinned peers: setup.sh [FOLDER], by default target/peers.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
folder="${1:-$here/../../target/peers}"
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --requirement "$here/requirements.txt"
echo "$folder/bin/python"
