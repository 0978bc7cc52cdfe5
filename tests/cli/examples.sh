# The examples: each names its paper or subject in the first line, is at most 60 lines and accepted; those without data train a few steps.
. "$ROOT/tests/cli/lib.bash"
for file in "$ROOT"/examples/*.hgm; do
  name=$(basename "$file")
  head -n 1 "$file" | grep -q '^## ' || fail "$name to say in its first line what it is"
  case $name in jets.hgm) ;; *) [ "$(wc -l < "$file")" -le 60 ] || fail "$name to have at most 60 lines" ;; esac
  expect_exit 0 "$HGMC" check "$file"
done
STEPS=3 "$ROOT/examples/try.sh" "$HGMC" gan dirac_gan regularised_gan > log 2>&1 || fail "examples that train"
[ "$(grep -c 'judge [0-9.]*, generator' log)" = 3 ] || fail "losses of three examples"
