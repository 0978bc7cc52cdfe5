# The examples: each is accepted and a row of examples/small.tsv; those without data train a few steps. `make examples` trains all of them and
# looks at their bands.
. "$ROOT/tests/cli/lib.bash"
# trained_first NAME: a step of the run that the example takes its model from, reduced as small.tsv says; false: its data are not bundled
trained_first() {
  local data options
  IFS=$'\t' read -r _ data options _ < <(grep "^$1"$'\t' "$ROOT/examples/small.tsv")
  [ -e "$ROOT/../shared/data/$data" ] || return 1
  expect_exit 0 "$HGMC" run "$ROOT/examples/$1.hgm" --train "$ROOT/../shared/data/$data" $options --steps 1 --quiet -o "runs/${1#*/}"
}
for file in "$ROOT"/examples/*/*.hgm; do
  name=${file#"$ROOT/examples/"}; name=${name%.hgm}
  model=$(sed -n 's/^use trained "runs\/\([^"]*\)".*/\1/p' "$file")
  if [ -z "$model" ] || trained_first "${name%/*}/$model"; then expect_exit 0 "$HGMC" check "$file"; else echo "no data for $model: $name was left out"; fi
  [ "$(grep -c "^$name"$'\t' "$ROOT/examples/small.tsv")" = 1 ] || fail "one row of examples/small.tsv for $name"
done
awk -F'\t' '!/^#/ && (NF != 7 || $5 > $6) { print; bad = 1 } END { exit bad }' "$ROOT/examples/small.tsv" || fail "seven columns and a band in each row"
STEPS=3 "$ROOT/examples/try.sh" "$HGMC" gan/gan gan/dirac_gan vae/zgamma_b > log 2>&1 || fail "examples that train"
[ "$(grep -cE '^(gan|vae)/[a-z_]+ +[0-9]+ +1 .* (wasserstein\.worst) +[0-9.]+ ' log)" = 3 ] || fail "a headline of three examples"
# a number outside its band, a metric that is not there, a program that fails
mkdir examples; cp -r "$ROOT"/examples/{try.sh,data,gan} examples
printf 'gan/%s\t-\t--steps 3\t%s\t-2\t-1\t-\n' gan wasserstein.worst regularised_gan nothing > examples/small.tsv
printf 'gan/dirac_gan\t-\t--set gamma=poker\tks.worst\t0\t1\t-\n' >> examples/small.tsv
expect_exit 1 examples/try.sh "$HGMC"
expect_text "LEFT its band"; expect_text "FAILED: no such metric"; expect_text "FAILED: error["
# ended from outside it ends what it runs
printf '#!/bin/sh\necho $$ > pid.new; mv pid.new "%s/pid"; exec sleep 1000\n' "$PWD" > endless; chmod +x endless
examples/try.sh ./endless > log 2>&1 & table=$!
await $table test -e pid
kill $table; wait $table; [ $? -eq 143 ] || fail "exit 143 of a table that is ended"
for try in $(seq 600); do kill -0 "$(cat pid)" 2> /dev/null || exit 0; sleep 0.1; done
kill "$(cat pid)"; fail "no training that outlives its table"
