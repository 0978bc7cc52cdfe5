#!/usr/bin/env bash
# The only runner. The folder decides the test:
#   tests/unit/NAME_test.c          a cmocka program (built by make), one result a test function
#   tests/golden/error/NAME.hgm     `hgmc check` must print exactly NAME.expected (--accept rewrites them)
#   tests/lint/NAME.sh              a rule about the sources, one result a script
#   tests/cli/NAME.sh               the tool as a user calls it, one result a script; exit 77: skipped, last line says why
# usage: tests/run.sh BUILD_DIR [--accept] [pattern]; last line: N passed, N failed[, N skipped]
set -u
cd "$(dirname "$0")/.."
build=$1; shift
accept=; [ "${1:-}" = --accept ] && { accept=1; shift; }
pattern=${1:-}
limit=${HGM_LIMIT:-900}; [ -n "${HGM_LONG:-}" ] && limit=14400 # seconds a test; HGM_LIMIT for a machine that has much else to do
passed=0 failed=0 skipped=0 names=()
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
export HGMC=$PWD/$build/hgmc BUILD_DIR=$PWD/$build HGM_STDLIB=$PWD/stdlib HGM_CACHE=

wanted() { [ -z "$pattern" ] || [[ $1 == *$pattern* ]]; }
result() { # status name log
  case $1 in
    0) passed=$((passed + 1)) ;;
    77) skipped=$((skipped + 1)); echo "skipped $2: $(tail -n 1 "$3")" ;;
    *) failed=$((failed + 1)); names+=("$2"); echo "FAILED $2 (exit $1)"; tail -n 40 "$3" ;;
  esac
}

for program in "$build"/tests/*_test; do
  [ -x "$program" ] || continue
  name=unit/$(basename "$program"); wanted "$name" || continue
  CMOCKA_MESSAGE_OUTPUT=TAP timeout $limit "$program" > "$scratch/log" 2>&1; status=$?
  # cmocka 1.1.5 says `not ok … # SKIP` of a test that was skipped, later versions `ok … # SKIP`
  skips=$(grep -cE '^(not )?ok .*# SKIP' "$scratch/log"); sed -i -E '/^(not )?ok .*# SKIP/d' "$scratch/log"
  ok=$(grep -c '^ok ' "$scratch/log"); bad=$(grep -c '^not ok ' "$scratch/log")
  passed=$((passed + ok)); skipped=$((skipped + skips)); failed=$((failed + bad))
  grep -a '^skipped' "$scratch/log"
  if [ "$bad" -gt 0 ] || [ $status -ne 0 ] || [ $((ok + skips)) -eq 0 ]; then
    [ "$bad" -eq 0 ] && failed=$((failed + 1))
    names+=("$name"); echo "FAILED $name (exit $status)"; grep -av '^ok ' "$scratch/log" | tail -n 40
  fi
  echo "$name: $ok passed, $bad failed"
done

for source in tests/golden/error/*.hgm; do
  [ -e "$source" ] || continue
  name=${source#tests/}; name=${name%.hgm}; wanted "$name" || continue
  expected=${source%.hgm}.expected
  timeout 60 "$HGMC" check "$source" > "$scratch/out" 2>&1; status=$?
  if [ -n "$accept" ]; then cp "$scratch/out" "$expected"; fi
  { diff -u "$expected" "$scratch/out"; } > "$scratch/log" 2>&1; same=$?
  warning=0; grep -q '^error' "$expected" 2>/dev/null || warning=1
  if [ $same -eq 0 ] && [ $status -ne $((1 - warning)) ]; then echo "exit code $status" >> "$scratch/log"; same=1; fi
  result $same "$name" "$scratch/log"
done

for script in tests/lint/*.sh tests/cli/*.sh; do
  [ -e "$script" ] || continue
  name=${script#tests/}; name=${name%.sh}; wanted "$name" || continue
  mkdir -p "$scratch/dir"; ROOT=$PWD SCRATCH=$scratch/dir timeout $limit bash "$script" > "$scratch/log" 2>&1
  result $? "$name" "$scratch/log"
  rm -rf "$scratch/dir"
done

[ ${#names[@]} -gt 0 ] && printf 'failed: %s\n' "${names[*]}"
if [ $skipped -gt 0 ]; then echo "$passed passed, $failed failed, $skipped skipped"; else echo "$passed passed, $failed failed"; fi
[ $failed -eq 0 ] && [ $passed -gt 0 ]
