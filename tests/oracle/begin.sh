# Sourced by the comparisons from anywhere: goes to the root of the repository, sets `python` (77 where there is none) and makes $scratch, which goes in the end.
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. tests/oracle/python.sh
[ -n "$python" ] || { echo "no python with numpy and torch: make oracle installs them into .venv, HGM_PYTHON names another"; exit 77; }
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
