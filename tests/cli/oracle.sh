#!/usr/bin/env bash
# Log-probabilities, losses and gradients of the examples against PyTorch; skipped where there is no PyTorch.
cd "$ROOT" || exit 1
. tests/oracle/python.sh
[ -n "$python" ] || { echo "no python with numpy and torch (make oracle makes one)"; exit 77; }
make --no-print-directory BUILD="$(basename "$BUILD_DIR")" "build/$(basename "$BUILD_DIR")/tests/oracle_dump" || exit 1
tests/oracle/run.sh && tests/oracle/games.sh
