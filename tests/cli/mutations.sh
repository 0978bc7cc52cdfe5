# Programs with one token left out, doubled, exchanged with its neighbour, or replaced by one from elsewhere: each is accepted or
# refused (0 or 1), within a limit of time, and nothing is said to be an internal error. A seeded choice; HGM_LONG=1 tries many.
# long: 10 parts
# BUILD=asan make check runs them under the sanitizers.
. "$ROOT/tests/cli/lib.bash"
count=${HGM_LONG:+300}; count=${count:-240} # of a part
part=${HGM_PART:-0}
ls "$ROOT"/examples/*/*.hgm "$ROOT"/bench/*.hgm "$ROOT"/tests/golden/error/*.hgm > files
[ -d "$ROOT/../shared/design/programs" ] && ls "$ROOT"/../shared/design/programs/*.hgm | grep -v -e 13-iaf -e 13-maf >> files # those take seconds each
awk -v count="$count" -v seed="${HGM_SEED:-$((1 + ${part%/*}))}" '
  function token(text) { # the next token of text: a word, a number, a string, a line end or one character
    if (match(text, /^[ \t]+/)) return substr(text, 1, RLENGTH)
    if (match(text, /^[A-Za-z_][A-Za-z_0-9]*/)) return substr(text, 1, RLENGTH)
    if (match(text, /^[0-9][0-9_.]*(e-?[0-9]+)?/)) return substr(text, 1, RLENGTH)
    if (match(text, /^"[^"\n]*"/)) return substr(text, 1, RLENGTH)
    if (match(text, /^#[^\n]*/)) return substr(text, 1, RLENGTH)
    if (match(text, /^(\|>|->|\.\.\.?|[<>=!]=|\/\/)/)) return substr(text, 1, RLENGTH)
    return substr(text, 1, 1)
  }
  { list[n++] = $0 }
  END {
    srand(seed)
    for (k = 0; k < count; k++) {
      file = list[int(rand() * n)]
      text = ""
      while ((getline line < file) > 0) text = text line "\n"
      close(file)
      m = 0
      while (text != "") { t = token(text); text = substr(text, length(t) + 1); all[m++] = t }
      do at = int(rand() * m); while (all[at] ~ /^[ \t#]/)
      how = int(rand() * 4)
      other = all[int(rand() * m)]
      out = sprintf("mutant_%04d.hgm", k)
      printf "" > out
      for (i = 0; i < m; i++) {
        t = all[i]
        if (i == at && how == 0) continue
        if (i == at && how == 1) t = t " " t
        if (i == at && how == 2 && i + 1 < m) { t = all[i + 1] " " t; i++ }
        if (i == at && how == 3) t = other
        printf "%s", t >> out
      }
      close(out)
    }
  }' files
export HGM_PATH="$(printf '%s:' "$ROOT"/examples/*)$ROOT/../shared/design/programs"
export ASAN_OPTIONS="detect_leaks=1:exitcode=99" UBSAN_OPTIONS="exitcode=99"
try() { # FILE: a line on standard output when it fails
  timeout "${HGM_LIMIT:-300}" "$HGMC" check "$1" > "$1.log" 2>&1 < /dev/null
  local status=$?
  if [ $status -gt 1 ]; then echo "$1: exit $status: $(tail -n 2 "$1.log" | tr '\n' ' ')"
  elif [ $status -eq 1 ] && ! grep -q '^error\[' "$1.log"; then echo "$1: refused without a word"
  elif grep -q '^error\[internal\]' "$1.log"; then echo "$1: $(grep '^error\[internal\]' "$1.log")"
  else rm -f "$1.log" "$1"; fi
}
export -f try
ls mutant_*.hgm | xargs -P 2 -n 1 bash -c 'try "$0"' > failures
[ "$(ls mutant_*.hgm 2> /dev/null | wc -l)" -eq "$(wc -l < failures)" ] || fail "a verdict on every mutant"
if [ -s failures ]; then
  head -n 20 failures
  first=$(sed 's/:.*//' failures | head -n 1); echo "--- $first"; cat "$first"
  exit 1
fi
