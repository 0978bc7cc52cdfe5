# --precision bf16: one precision's bits from hgmc and a sampler, alone or in bulk, for any threads; half the size; near float32; where it is refused.
. "$ROOT/tests/cli/lib.bash"
$HGMC run $jets --epochs 1 -o run > log 2>&1; [ $? -le 1 ] || fail "a trained run"
given="--given $ROOT/examples/data/jets.h5 --quiet"
expect_exit 0 $HGMC sample run $given -n 700 -o single.csv
expect_exit 0 $HGMC sample run $given -n 700 --precision bf16 --threads 1 -o half.csv
expect_exit 0 $HGMC sample run $given -n 700 --precision bf16 --threads 2 -o two.csv
same_file half.csv two.csv
cmp -s single.csv half.csv && fail "bf16 to show"
for p in f32 bf16; do expect_exit 0 $HGMC build run --precision $p --target x86-64-v3 --quiet -o sim.$p; done
expect_exit 0 ./sim.bf16 $given -n 700 --threads 2 -o drawn.csv
same_file half.csv drawn.csv
expect_exit 0 ./sim.bf16 $given -n 3 -o few.csv # event by event
head -n 4 half.csv > first.csv
same_file first.csv few.csv
expect_exit 0 $HGMC score run --data half.csv --precision bf16 --quiet -o score.csv
expect_exit 0 ./sim.bf16 --score half.csv --quiet -o score2.csv
same_file score.csv score2.csv
expect_exit 0 ./sim.bf16 --info; expect_text "precision  bf16"
expect_exit 0 $HGMC build run --precision bf16 --target x86-64-v3 -o noted; expect_text "log-densities"

# what is drawn stays near: continuous columns within a tenth of their spread
awk -F, 'NR == FNR { if (FNR > 1) { a[FNR] = $9; s += $9; ss += $9 * $9; n++ } next } FNR > 1 { d = a[FNR] - $9; if (d < 0) d = -d; if (d > most) most = d }
  END { exit !(most > 0 && most < 0.1 * sqrt(ss / n - (s / n) ^ 2)) }' single.csv half.csv || fail "the transverse momenta of bf16 near those of float32"

# half the weights' bytes: more is saved than a network of that size takes otherwise
sed 's/set width=16/set width=128/' <<< "$jets" > wide
$HGMC run $(cat wide) --steps 1 -o large > log 2>&1; [ $? -le 1 ] || fail "a larger run"
for p in f32 bf16; do expect_exit 0 $HGMC build large --precision $p --target x86-64-v3 --quiet -o large.$p; done
weights=$($HGMC show "$ROOT/examples/flows/jets.hgm" --set layers=4 --set bins=4 | grep -oE '[0-9]+ parameters' | head -n 1 | cut -d' ' -f1)
saved=$(($(stat -c %s large.f32) - $(stat -c %s large.bf16)))
[ $saved -gt $((weights * 3 / 2)) ] || fail "two bytes of each of $weights weights to be saved, there were $saved in all"

refuse() { expect_exit 2 "$HGMC" "$@"; expect_text "--precision bf16 is for drawing with a trained run"; }
refuse run "$ROOT/examples/flows/jets.hgm" --precision bf16
refuse tune "$ROOT/examples/flows/jets.hgm" --precision bf16
refuse check "$ROOT/examples/flows/jets.hgm" --precision bf16
expect_exit 2 $HGMC sample run --precision bf8 -n 3 -o x.csv; expect_text "f32, f64 or bf16, found \`bf8\`"
