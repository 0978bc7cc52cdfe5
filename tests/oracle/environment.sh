#!/usr/bin/env bash
# A virtual environment .venv with what the oracle needs, made when no python at hand has it. Needs the network once.
set -eu
cd "$(dirname "$0")/../.."
. tests/oracle/python.sh
[ -n "$python" ] && exit 0
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/python -m pip install --quiet numpy torch scipy h5py
