# No layer, loss, activation or coupling is known by name in C: a name that stdlib/ declares never stands as a string there. Estimates of
# `fit` have names of their own (`gaussian(v)` beside the kernel `gaussian(width)`).
cd "$ROOT"; bad=0
names=$(sed -nE 's/^(override )?(layer|fn|bijection|net|flow) +([A-Za-z_0-9]+).*/\3/p' stdlib/*.hgm | sort -u)
[ "$(wc -w <<< "$names")" -gt 40 ] || { echo "found only these names in stdlib: $names"; exit 1; }
for name in $names; do
  if grep -rnE "^[^/]*\"$name\"" lang compiler runtime --include='*.[chyl]' --include='*.def' | grep -v -e '/selftest.c:' -e 'lang/estimators.def:'; then echo "\`$name\` is a name of stdlib/"; bad=1; fi
done
# What no other definition of the library uses is there for users, who find it in the reference.
for name in $names; do
  [ "$(cat stdlib/*.hgm | sed 's/#.*//' | grep -ow "$name" | wc -l)" -gt 1 ] || grep -q "\`[^\`]*\b$name\b" docs/language.md || { echo "\`$name\` is not in docs/language.md"; bad=1; }
done
exit $bad
