#!/usr/bin/env bash
# Every metric of `evaluate` and what stands beside it, computed again from the files that a user has; skipped where there is no numpy, torch, scipy and h5py.
cd "$ROOT" || exit 1
exec tests/oracle/metrics.sh
