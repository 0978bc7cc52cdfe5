# A column of true and false stays one: from npy to what hgmc writes and a sampler does, and when that is read again.
. "$ROOT/tests/cli/lib.bash"
header="{'descr': [('x', '|i1'), ('tag', '|b1'), ('extra', '|b1')], 'fortran_order': False, 'shape': (200,), }"
{
  printf '\223NUMPY\1\0\166\0%-117s\n' "$header"
  for i in {0..199}; do printf "\\$(printf %03o $((i % 90)))\\$((i % 3 == 0))\\$((i % 5 == 0))"; done
} > data.npy
cat > m.hgm << 'END'
data d { x = "x" |> dequantize |> standardize; tag: class[2] = "tag" }
net f(x: d.x) -> d.x = x |> dense(1)
train { update f { minimize mse(f(x), x); with adam(1e-3) }; batch 32; epochs 1 }
generate given x { tag ~ bernoulli(0.3) }
END
expect_exit 0 "$HGMC" run m.hgm --train data.npy --quiet -o run
expect_exit 0 "$HGMC" inspect run; expect_text 'tag                      bool'; ! grep -q 'bool >=' log || fail "no least of two values"
expect_exit 0 "$HGMC" build run --target native --quiet -o sim
for way in "$HGMC sample run" ./sim; do
  for file in drawn.npy drawn.h5 drawn.csv; do expect_exit 0 $way --given data.npy --keep extra --quiet -o $file --force; done
  grep -aq "('tag', '|b1')" drawn.npy || fail "a bool in npy"
  [ "$(sed 1d drawn.csv | cut -d, -f2 | sort -u | tr '\n' ' ')" = "0 1 " ] || fail "0 and 1 in csv"
  cp drawn.h5 "by_${way: -3}.h5"
  expect_exit 0 "$HGMC" run m.hgm --train drawn.h5 --quiet -o again --force
  expect_exit 0 "$HGMC" inspect again; expect_text 'tag                      bool'
  expect_exit 0 ./sim --given drawn.h5 --keep extra --quiet -o copied.npy --force && grep -aq "('extra', '|b1')" copied.npy || fail "a bool that is copied"
done
if command -v h5dump h5diff > /dev/null; then
  h5dump -H by_sim.h5 | grep -q '"TRUE" *1' || fail "h5py's bool"
  h5diff by_run.h5 by_sim.h5 > log 2>&1 || fail "the same types and values of both"
fi
