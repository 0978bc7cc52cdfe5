# Values that the model does not take: each is refused or counted, with the column, the first row, the value and the cure. One row is spoilt
# at a time, the seventh line of the file, which is row 5.
. "$ROOT/tests/cli/lib.bash"
awk 'BEGIN { print "a,b,phi,n,w,f,id"; for (i = 1; i <= 200; i++) { u = i * 0.6180339887 % 1; v = i * 0.7548776662 % 1
  printf "%.6f,%.6f,%.6f,%d,%.4f,%.4f,%d\n", u - 0.5, u + v, 6.28 * v - 3.14, 5 * u, v + 0.1, 0.98 * u + 0.01, i % 3 * 2 } }' > good.csv
model() { # the text of a field y, or of what else the data has
  cat > m.hgm << END
data d {
  x = ["a", "b"] |> standardize
  y $1
}
flow f(x | y) { base normal; affine_coupling(mlp([8])) }
train { update f { minimize -log_prob(f, x | y); with adam(1e-3) }; batch 32; epochs 1 }
generate given y { x ~ f | y }
END
}
# takes FIELD: the good file is trained on without a word; says FIELD SPOIL CODE TEXT…: the spoilt one ends with CODE and each text
takes() {
  model "$1"
  expect_exit 0 "$HGMC" run m.hgm --train good.csv -o good --force
  ! grep -q '^warning: ' log || fail "no warning of good values"
}
says() {
  local spoil=$1 code=$2; shift 2
  awk -F, -v OFS=, "NR == 7 { $spoil } { print }" good.csv > bad.csv
  expect_exit "$code" "$HGMC" run m.hgm --train bad.csv -o bad --force
  for text in "$@"; do expect_text "$text"; done
  [ "$code" = 0 ] || [ ! -e bad/model.h5 ] || fail "no weights after a refusal"
  rm -rf bad
}
given() { # the same file as conditions of a sampler
  local code=$1; shift
  expect_exit "$code" "$HGMC" sample good --given bad.csv -o drawn.csv --force
  for text in "$@"; do expect_text "$text"; done
}

# ---- an angle outside its period: wrapped, counted, said
takes '= "phi" in rad |> sincos'
says '$3 = 9.5' 0 'warning: column `phi` of bad.csv has 1 values beyond half a turn, the first in row 5: 9.5; they are wrapped'
given 0
awk -F, -v OFS=, -v CONVFMT=%.17g 'NR == 7 { $3 = 9.5 - 16 * atan2(1, 1) } { print }' good.csv > turned.csv
cp drawn.csv outside.csv; expect_exit 0 "$HGMC" sample good --given turned.csv -o drawn.csv --force
cut -d, -f1,2 outside.csv > a; cut -d, -f1,2 drawn.csv > b; same_file a b # the same angle, a turn further
takes '= "phi" in deg |> sincos'
says '$3 = 400' 0 'column `phi` of bad.csv has 1 values beyond half a turn, the first in row 5: 400'

# ---- whole numbers that are not
takes '= "n" |> dequantize |> standardize'
says '$4 = 2.5' 0 'column `n` of bad.csv has 1 values that are no whole numbers, the first in row 5: 2.5'
takes ': class[5] = "n"'
says '$4 = 2.5' 1 'column `n` of bad.csv has the value 2.5 in row 5, which is no class'
says '$4 = 5' 1 'column `n` of bad.csv has the value 5 in row 5'
given 1 'column `n` of bad.csv has the value 5 in row 5'

# ---- categories that the model does not list, in training and at sampling
for field in ': class of [0, 2, 4] = "id"' '= "id" |> levels([0, 2, 4]) |> dequantize |> standardize' '= "id" |> one_hot([0, 2, 4])'; do
  takes "$field"
  says '$7 = 3' 1 'column `id` of bad.csv has the value 3 in row 5, which the model does not list (0, 2, 4); so have 1 of'
  given 1 'column `id` of bad.csv has the value 3 in row 5, which the model does not list (0, 2, 4); so have 1 of'
  expect_exit 2 "$HGMC" sample good --fix id=3 -n 5 -o drawn.csv --force
  expect_text '--fix id=3: the model does not list this value; it lists 0, 2, 4'
done

# ---- columns out of the range that a step takes; fractions above one
for step in logit probit; do
  takes "= \"f\" |> $step"
  says '$6 = 1.2' 1 "\`$step\` of \`y\` takes numbers from 0 to 1, and 1 of 160 rows of bad.csv have others: the first is row 5 with 1.2" '`clip(0, 1)`' '`where`'
done
takes '= "f" |> log'
says '$6 = 0' 1 '`log` of `y` takes positive numbers, and 1 of 160 rows of bad.csv have others: the first is row 5 with 0'

# ---- what `clip` changes is used, and counted wherever rows are prepared: in training, as a condition, in a score
takes '= "f" |> clip(0, 1) |> logit(1e-3)'
says '$6 = 1.2' 0 'warning: `clip(0, 1)` of `y` changes 1 of 200 rows of bad.csv, the first is row 5 with 1.2; `where` leaves such rows out'
given 0 '`clip(0, 1)` of `y` changes 1 of 200 rows of bad.csv, the first is row 5 with 1.2'
takes '= "f" |> minmax |> clip(0, 1)' # with fitted numbers: 1.2 lies in the training file's range, and not in the good one's
says '$6 = 1.2' 0
! grep -q 'changes' log || fail "no word of rows that clip leaves alone"
given 0 '`clip(0, 1)` of `y` changes 1 of 200 rows of bad.csv, the first is row 5 with 1.2'
echo 'score { of_x = log_prob(f, x | y) }' >> m.hgm
expect_exit 0 "$HGMC" run m.hgm --train good.csv -o good --force
expect_exit 0 "$HGMC" score good --data bad.csv -o score.csv --force
expect_text '`clip(0, 1)` of `y` changes 1 of 200 rows of bad.csv, the first is row 5 with 1.2'

# ---- event weights: none at all, no number, infinite by a formula; a cut mends it
takes '= "f" |> standardize; weight = "w"'
awk -F, -v OFS=, 'NR > 1 { $5 = 0 } { print }' good.csv > bad.csv
expect_exit 1 "$HGMC" run m.hgm --train bad.csv -o bad
expect_text 'the event weights of bad.csv are 0 in all 160 rows of the training split; correct what `weight` names, or leave it out'
awk -F, -v OFS=, 'NR > 1 { $5 = -$5 } { print }' good.csv > bad.csv
expect_exit 1 "$HGMC" run m.hgm --train bad.csv -o bad
expect_text 'on the training split, where 160 of 160 are negative; it must be above 0: correct what `weight` names'
says '$5 = "nan"' 1 'bad.csv: column `w` has 1 NaN (first in row 5)' 'leave those rows out of the file: weights, cuts, classes and right sides'
! grep -q missing log || fail "no word of \`missing\`, which fills no weight"
takes '= "f" |> standardize; weight = "w"^-2'
says '$5 = 0' 1 '1 of 200 event weights of bad.csv are not finite, the first in row 5 (inf); `where` leaves such rows out'
takes '= "f" |> standardize; weight = "w"^-2; where "w" > 0'
says '$5 = 0' 0 '1 cut by `where`'

# ---- conditions and scored rows that a step does not take: refused, or counted where the rows of the output are those of the file
takes '= "f" |> log |> standardize'
echo 'score { of_x = log_prob(f, x | y) }' >> m.hgm
expect_exit 0 "$HGMC" run m.hgm --train good.csv -o good --force
awk -F, -v OFS=, 'NR == 7 { $6 = -1 } { print }' good.csv > bad.csv
given 1 '`log` of `y` takes positive numbers, and 1 of 200 rows of bad.csv have others: the first is row 5 with -1'
expect_exit 1 "$HGMC" sample good --fix f=-1 -n 5 -o drawn.csv --force
expect_text '`log` of `y` takes positive numbers, and 1 of 1 rows of --fix have others'
expect_exit 0 "$HGMC" score good --data bad.csv -o score.csv --force
expect_text 'warning: column `of_x`: 1 numbers that are not finite, the first in event 5'
expect_text '`log` of `y` takes positive numbers, and 1 of 200 rows'
expect_exit 0 "$HGMC" build good -o sim
expect_exit 0 ./sim --score bad.csv -o alone.csv --force; expect_text 'warning: column `of_x`: 1 numbers that are not finite, the first in event 5'
same_file score.csv alone.csv
expect_exit 0 ./sim --given bad.csv -o alone.csv --force; expect_text 'warning: column `b`: 1 numbers that are not finite, the first in event 5'

# ---- counts beyond what the type of their column holds, or below the least that the training data have: the nearest that it has, counted.
# Whole numbers of both signs know only their type; -5 stands for what is missing
header="{'descr': [('n', '|u1'), ('m', '<i2'), ('k', '|i1')], 'fortran_order': False, 'shape': (100,), }"
{
  printf '\223NUMPY\1\0\166\0%-117s\n' "$header"
  for i in {0..99}; do printf "\\$(printf %03o $((i % 7)))\\$(printf %03o $((i + 1)))\\0\\$(printf %03o $(((i - 50) & 255)))"; done
} > counts.npy
cat > counts.hgm << 'END'
data d { n = "n" |> dequantize |> standardize; m = "m" |> dequantize |> standardize; k = "k" |> dequantize |> standardize }
net f(n: d.n) -> d.m = n |> dense(1)
train { update f { minimize mse(f(n), m) + 0 * k; with adam(1e-3) }; batch 32; epochs 1 }
generate { z ~ normal; n = 100 * z; m = z; k = z }
END
expect_exit 0 "$HGMC" run counts.hgm --train counts.npy -o counts
expect_exit 0 "$HGMC" sample counts -n 1000 -o drawn.csv --force
expect_text ' numbers beyond 0..255, which uint8 holds, are written as the nearest that it has'
[ "$(sed 1d drawn.csv | cut -d, -f1 | sort -g | sed -n '1p;$p' | tr '\n' ' ')" = "0 255 " ] || fail "numbers from 0 to 255"
expect_text '`m`: '; expect_text ' numbers beyond 1..32767, the least of the training data and the greatest of int16, are written as the nearest that it has'
[ "$(sed 1d drawn.csv | cut -d, -f2 | sort -g | head -n 1)" = 1 ] || fail "no count below the least"
! grep -q '`k`' log || fail "no word of a column whose numbers fit"
[ "$(sed 1d drawn.csv | cut -d, -f3 | sort -g | head -n 1)" -lt -50 ] || fail "whole numbers of both signs beyond the training data"
expect_exit 0 "$HGMC" build counts -o sim --force
expect_exit 0 ./sim -n 1000 -o alone.csv --force; expect_text 'numbers beyond 0..255, which uint8 holds'; expect_text 'beyond 1..32767'
same_file drawn.csv alone.csv
judged_as_written() { # RUN FILE: on a file like the training file the metrics of the run are those of what it writes
  { head -c -1 "$2"; printf '\1'; } > like.npy # another file, so it is taken whole
  expect_exit 0 "$HGMC" eval "$1" --data like.npy --json of_run.json --force
  expect_exit 0 "$HGMC" sample "$1" -n 100 -o written.npz --force
  expect_exit 0 "$HGMC" eval --data like.npy --against written.npz --json of_file.json --force
  sed -i '/events_per_second/d; /^  "[a-z]*_floor/d' of_run.json of_file.json # the floor of correlations depends on the order of the rows
  same_file of_run.json of_file.json
}
judged_as_written counts counts.npy
widely() { # WIDTH COLUMN CHAIN FILE: one column of the file, drawn with that width in place of 1
  cat > wide.hgm << END
data d { $2 = "$2" |> $3 }
net f($2: d.$2) -> d.$2 = $2 |> dense(1)
train { update f { minimize mse(f($2), $2); with adam(1e-3) }; batch 32; epochs 1 }
generate { z ~ normal; $2 = $1 * z }
END
  expect_exit 0 "$HGMC" run wide.hgm --train "$4" -o wide --force
  expect_exit 0 "$HGMC" sample wide -n 1000 -o drawn.csv --force
}
# ---- a float32 behind `log`, drawn far out: the greatest that it has, in place of a file that is not written
header="{'descr': [('e', '<f4')], 'fortran_order': False, 'shape': (100,), }"
{ printf '\223NUMPY\1\0\166\0%-117s\n' "$header"; for i in {0..99}; do printf "\\0\\0\\200\\$(printf %03o $((i + 16)))"; done; } > energies.npy # 2^-95 to 2^103
widely 3 e "log |> standardize" energies.npy
expect_text ' numbers beyond -3.402823466e+38..3.402823466e+38, which float32 holds, are written as the nearest that it has'
[ "$(sed 1d drawn.csv | sort -g | tail -n 1)" = 3.4028235e+38 ] || fail "the greatest float32"
judged_as_written wide energies.npy
expect_exit 0 "$HGMC" build wide -o sim --force
expect_exit 0 ./sim -n 1000 -o alone.csv --force; expect_text 'which float32 holds'
same_file drawn.csv alone.csv
awk 'BEGIN { print "c"; for (i = 0; i < 200; i++) printf "%.1f\n", i % 4 == 0 ? -5 : i % 7 }' > reals.csv
widely 2 c "missing(-5, replace = 9) |> dequantize |> standardize" reals.csv
expect_text ' numbers beyond 0..inf, the least of the training data and no end, are written as the nearest that it has'
[ "$(sed 1d drawn.csv | sort -gu | sed -n '1,2p' | tr '\n' ' ')" = "-5 0 " ] || fail "what is missing, and counts from 0"
