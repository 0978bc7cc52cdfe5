#!/usr/bin/env bash
# The only runner. The folder decides the test:
#   tests/unit/NAME_test.c          a cmocka program (built by make), one result a test function
#   tests/golden/error/NAME.hgm     `hgmc check` must print exactly NAME.expected (--accept rewrites them)
#   tests/lint/NAME.sh              a rule about the sources, one result a script
#   tests/cli/NAME.sh               the tool as a user calls it, one result a script; exit 77: skipped, last line says why
# usage: tests/run.sh BUILD_DIR [--accept] [pattern]; last line: N passed, N failed[, N skipped]
# HGM_LONG=1: tests take their long form. One whose source says `long: N parts` runs N times, HGM_PART=0/N to N-1/N, each a result
# with a name of its own (pattern `codegen_test 3/20`). What passed at this state of the sources is noted in BUILD_DIR/long and not
# run again, so a long check that was cut off goes on where it was, and parts can run one after the other or on several machines.
set -u
cd "$(dirname "$0")/.."
build=$1; shift
accept=; [ "${1:-}" = --accept ] && { accept=1; shift; }
pattern=${1:-}
limit=${HGM_LIMIT:-900}; [ -n "${HGM_LONG:-}" ] && limit=14400 # seconds a test; HGM_LIMIT for a machine that has much else to do
passed=0 failed=0 skipped=0 names=()
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
export HGMC=$PWD/$build/hgmc BUILD_DIR=$PWD/$build HGM_STDLIB=$PWD/stdlib HGM_CACHE=

# ---- the long form: parts, and what passed before
notes=$build/long
state() { git rev-parse HEAD 2> /dev/null && { git diff HEAD; git ls-files --others --exclude-standard -z | xargs -0r sha256sum; } | sha256sum; }
if [ -n "${HGM_LONG:-}" ]; then
  now=$(state) || now=unknown-$$
  [ "$(cat "$notes/state" 2> /dev/null)" = "$now" ] || { rm -rf "$notes"; mkdir -p "$notes"; echo "$now" > "$notes/state"; }
fi
parts_of() { # SOURCE: its parts, or `all`
  local n; n=$(sed -nE '1,5s,^(//|#) long: ([0-9]+) parts$,\2,p' "$1")
  if [ -n "${HGM_LONG:-}" ] && [ -n "$n" ]; then seq -f "%.0f/$n" 0 $((n - 1)); else echo all; fi
}
note() { [ -n "${HGM_LONG:-}" ] && echo "$2" > "$notes/${1//[\/ ]/.}"; return 0; }               # NAME PASSED
noted() { local n; n=$(cat "$notes/${1//[\/ ]/.}" 2> /dev/null) && [ -n "${HGM_LONG:-}" ] && passed=$((passed + n)) && echo "$1: $n passed before"; }

# Under the thread sanitizer: only tests whose source speaks of threads.
with_threads() { [ "${build##*/}" != tsan ] || grep -qi thread "$1"; } # SOURCE
wanted() { [ -z "$pattern" ] || [[ $1 == *$pattern* ]]; }
result() { # status name log
  case $1 in
    0) passed=$((passed + 1)) ;;
    77) skipped=$((skipped + 1)); echo "skipped $2: $(tail -n 1 "$3")" ;;
    *) failed=$((failed + 1)); names+=("$2"); echo "FAILED $2 (exit $1)"; tail -n 40 "$3" ;;
  esac
}

unit() { # PROGRAM NAME
  CMOCKA_MESSAGE_OUTPUT=TAP timeout $limit "$1" > "$scratch/log" 2>&1; local status=$? skips ok bad
  # cmocka 1.1.5 says `not ok … # SKIP` of a test that was skipped, later versions `ok … # SKIP`
  skips=$(grep -cE '^(not )?ok .*# SKIP' "$scratch/log"); sed -i -E '/^(not )?ok .*# SKIP/d' "$scratch/log"
  ok=$(grep -c '^ok ' "$scratch/log"); bad=$(grep -c '^not ok ' "$scratch/log")
  passed=$((passed + ok)); skipped=$((skipped + skips)); failed=$((failed + bad))
  grep -a '^skipped' "$scratch/log"
  if [ "$bad" -gt 0 ] || [ $status -ne 0 ] || [ $((ok + skips)) -eq 0 ]; then
    [ "$bad" -eq 0 ] && failed=$((failed + 1))
    names+=("$2"); echo "FAILED $2 (exit $status)"; grep -av '^ok ' "$scratch/log" | tail -n 40
  else note "$2" $ok; fi
  echo "$2: $ok passed, $bad failed"
}

for program in "$build"/tests/*_test; do
  [ -x "$program" ] || continue
  base=$(basename "$program"); with_threads "tests/unit/$base.c" || continue
  for part in $(parts_of "tests/unit/$base.c"); do
    name=unit/$base; [ $part = all ] || name+=" $part"
    if wanted "$name" && ! noted "$name"; then HGM_PART=${part#all} unit "$program" "$name"; fi
  done
done

for source in tests/golden/error/*.hgm; do
  { [ -e "$source" ] && with_threads "$source"; } || continue
  name=${source#tests/}; name=${name%.hgm}; wanted "$name" || continue
  expected=${source%.hgm}.expected
  timeout 60 "$HGMC" check "$source" > "$scratch/out" 2>&1; status=$?
  if [ -n "$accept" ]; then cp "$scratch/out" "$expected"; fi
  { diff -u "$expected" "$scratch/out"; } > "$scratch/log" 2>&1; same=$?
  warning=0; grep -q '^error' "$expected" 2>/dev/null || warning=1
  if [ $same -eq 0 ] && [ $status -ne $((1 - warning)) ]; then echo "exit code $status" >> "$scratch/log"; same=1; fi
  result $same "$name" "$scratch/log"
done

script() { # SCRIPT NAME
  mkdir -p "$scratch/dir"; ROOT=$PWD SCRATCH=$scratch/dir timeout $limit bash "$1" > "$scratch/log" 2>&1; local status=$?
  result $status "$2" "$scratch/log"
  [ $status -eq 0 ] && note "$2" 1
  rm -rf "$scratch/dir"
}

for source in tests/lint/*.sh tests/cli/*.sh; do
  { [ -e "$source" ] && with_threads "$source"; } || continue
  for part in $(parts_of "$source"); do
    name=${source#tests/}; name=${name%.sh}; [ $part = all ] || name+=" $part"
    if wanted "$name" && ! noted "$name"; then HGM_PART=${part#all} script "$source" "$name"; fi
  done
done

[ ${#names[@]} -gt 0 ] && printf 'failed: %s\n' "${names[*]}"
if [ $skipped -gt 0 ]; then echo "$passed passed, $failed failed, $skipped skipped"; else echo "$passed passed, $failed failed"; fi
[ $failed -eq 0 ] && [ $passed -gt 0 ]
