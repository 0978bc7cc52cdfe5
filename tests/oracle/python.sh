# Sourced from the root of the repository: sets `python` to an interpreter that has numpy and torch, or to nothing.
python=
for candidate in "${HGM_PYTHON:-}" .venv/bin/python python3; do
  [ -n "$candidate" ] && "$candidate" -c 'import numpy, torch' 2>/dev/null && { python=$candidate; break; }
done
