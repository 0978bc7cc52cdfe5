# Help, exit codes, near misses.
. "$ROOT/tests/cli/lib.bash"
expect_exit 0 $HGMC --help
for verb in run sample score eval check show inspect selftest explain; do expect_text "$verb"; done
for verb in run sample score eval check show inspect selftest explain; do expect_exit 0 $HGMC $verb --help; expect_text "usage: hgmc $verb"; done
expect_exit 2 $HGMC; expect_exit 2 $HGMC rnu; expect_text "did you mean \`run\`"
expect_exit 2 $HGMC run x.hgm --trian y; expect_text "did you mean --train"
expect_exit 2 $HGMC run "$ROOT/examples/vae/zgamma.hgm" -o nowhere; expect_text "no file is named for the data block"
echo "param x = 1" > there.hgm
expect_exit 2 $HGMC check there; expect_text "cannot read there: No such file or directory; did you mean there.hgm"
expect_exit 2 $HGMC run nothing.hgm --train y.h5; expect_text "nothing.hgm"
# a refused run leaves no folder behind that it made, and all that were there
mkdir kept
for where in "" "-o new/deep/run" "-o kept/deep/run"; do expect_exit 1 $HGMC run there.hgm $where; expect_text "nothing to run"; done
[ -d kept ] && [ ! -e kept/deep ] && [ ! -e runs ] && [ ! -e new ] || fail "only the folder that was there"
expect_exit 2 $HGMC sample nothing -n x -o y; expect_text "-n N: expected a count such as 1000, 10k or 2M, found \`x\`"
expect_exit 2 $HGMC sample nothing -n -5 -o y; expect_text "found \`-5\`"
expect_exit 2 $HGMC run x.hgm --train -o y; expect_text "--train needs a value: --train [NAME=]FILE"
expect_exit 2 $HGMC run x.hgm --train a.csv b.csv; expect_text "\`b.csv\` is one word too many"
expect_exit 2 $HGMC score nothing --data x; expect_text "--output is missing"
expect_exit 0 $HGMC build --help; expect_text "the sampler; with --lib"
for verb in --help "show $ROOT/examples/flows/jets.hgm"; do # a full disk behind `>` is no success
  $HGMC $verb > /dev/full 2> log; [ $? -eq 2 ] || fail "exit 2 where standard output cannot be written"
  expect_text "standard output: cannot be written: No space left on device"
done
expect_exit 0 $HGMC explain shape; expect_exit 2 $HGMC explain shpe; expect_text "did you mean \`shape\`?"; expect_exit 2 $HGMC explain everything; expect_text "as in error[shape]"
# a data block that does not exist
printf 'a,b\n1,2\n' > few.csv
cat > block.hgm << 'END'
data jets { x = ["a", "b"] |> standardize }
flow f(x) { base normal; linear_lu }
train { update f { minimize -log_prob(f, x); with adam(1e-3) }; batch 32; epochs 1 }
END
expect_exit 2 $HGMC run block.hgm --train jet=few.csv; expect_text "\`jet=few.csv\`: the model has no data block \`jet\`; it has \`jets\`"
echo 'data more { y = ["a", "b"] |> standardize }' >> block.hgm
expect_exit 2 $HGMC run block.hgm --train few.csv; expect_text "the model has the data blocks \`jets\`, \`more\`; say NAME=FILE for each, found \`few.csv\`"
# params that do not exist, or are of another kind
echo "param layers = 3" > set.hgm; echo "score { x = 1.0 }" >> set.hgm
for word in "layer=2|no param \`layer\`; it has layers|did you mean \`layers\`?" "layers=2.5|\`layers\` is a whole number, found the number 2.5|a value like the default, 3"; do
  IFS='|' read -r set says cure <<< "$word"
  expect_exit 1 $HGMC check set.hgm --set "$set"; expect_text "$says"; expect_text "$cure"
done
