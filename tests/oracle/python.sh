# Sourced from the root of the repository: sets `python` to an interpreter that has numpy and torch, or to nothing.
python=
for candidate in "${HGM_PYTHON:-}" .venv/bin/python python3; do
  if [ -n "$candidate" ] && "$candidate" -c 'import numpy, torch' 2> /dev/null; then python=$candidate; break; fi
done
