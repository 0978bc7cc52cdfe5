# Observables that are compared with a law or with another data block instead of the data that are generated; event weights of either sign count.
. "$ROOT/tests/cli/lib.bash"
awk 'BEGIN { srand(3); print "x"; for (i = 0; i < 20000; i++) print 5 + rand() }' > a.csv
# falling from 0 to 1 by weights alone, some of them negative: x uniform, weight 2 - 2 x + 1, and -1 for half as many of a flat part
awk 'BEGIN { srand(4); print "x,w"; for (i = 0; i < 20000; i++) { x = rand(); print x "," 2 - 2 * x + 1 }; for (i = 0; i < 20000; i++) print rand() ",-1" }' > w.csv
cat > flat.hgm <<'E1'
data toy { x = "x" |> scale(1) }
data wanted { x: toy.x; weight = "w" }
net f(z: real[1]) -> real = z |> dense(1)
train { z ~ normal[1]; update f { minimize (f(z) - x)^2; with sgd(0) }
  batch 100
  steps 2 }
generate { u ~ uniform(0, 1); x = 1 - sqrt(1 - u) }   # density 2 - 2 x
evaluate {
  observable plain  = x
  observable law    = 2 * x - x^2 against uniform(0, 1)
  observable block  = x over 0..1 bins 10 against wanted
  metrics ks, chi2(10)
  assert ks.plain > 0.9 and ks.law < 0.05 and ks.block < 0.12
}
E1
expect_exit 0 "$HGMC" run flat.hgm --train toy=a.csv --train wanted=w.csv -o run --quiet
expect_exit 0 "$HGMC" eval run --data toy=a.csv --data wanted=w.csv
expect_exit 2 "$HGMC" eval run --data toy=a.csv
expect_text "--data wanted=FILE"
sed 's/assert.*/assert ks.block < 0.001/' flat.hgm > never.hgm
expect_exit 1 "$HGMC" run never.hgm --train toy=a.csv --train wanted=w.csv -o never --quiet
# a block that nothing else needs may have no file: what is compared with it is left out, and named
sed '/assert/d' flat.hgm > spared.hgm
expect_exit 0 "$HGMC" run spared.hgm --train toy=a.csv -o spared
expect_text "no file is named for the data block \`wanted\` (--train wanted=FILE), so these are not compared with it: block"
grep -q '^law ' log || fail "the other observables"
grep -q '^block ' log && fail "nothing of the one that is left out"
expect_exit 0 "$HGMC" eval spared --data toy=a.csv --data wanted=w.csv
grep -q '^block ' log || fail "all of them with the file"
