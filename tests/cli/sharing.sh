# Two experiments that share one definition: what differs in model terms; and imports that are pinned by their content.
. "$ROOT/tests/cli/lib.bash"
mkdir parts
cat > parts/nets.hgm <<'E2'
param width = 16
data d { x = ["a", "b"] |> standardize }
net f(x: d.x) -> d.x = x |> dense(width) |> tanh |> dense(2)
E2
cat > a.hgm <<'E2'
use "parts/nets.hgm"
train { update f { minimize mse(f(x), x); with adam(1e-3) }; batch 64; epochs 10 }
E2
cat > b.hgm <<'E2'
use "parts/nets.hgm" (width = 32)
train { update f { minimize mae(f(x), x); with adam(1e-3) }; batch 64; epochs 20 }
fit middle = average(f(x))
score { r = norm(f(x) - middle) }
E2
expect_exit 0 $HGMC diff a.hgm a.hgm; expect_text "no difference: 82 parameters each"
expect_exit 0 $HGMC diff a.hgm b.hgm
for text in "~ weight f.dense_1.w: 2 x 16 -> 2 x 32" "~ training train: epochs: 10 -> 20" "mse(f(x), x)" "mae(f(x), x)" "+ fit middle: fit middle = average(f(x))" "82 parameters against 162"; do
  expect_text "$text"
done
expect_exit 2 $HGMC diff a.hgm none.hgm
# ---- pins
expect_exit 0 $HGMC lock a.hgm; expect_text "a.lock: 1 import pinned"
[ "$(cat a.lock)" = "sha256:$(sha256sum < parts/nets.hgm | cut -c1-64)  parts/nets.hgm" ] || fail "a.lock holds the sum of parts/nets.hgm"
expect_exit 0 $HGMC check a.hgm
for pin in "$(cut -c1-71 a.lock)" "$(cut -c1-13 a.lock)" "sha256:$(cut -c8-19 a.lock | tr a-f A-F)"; do # what the lock says stands in the file too, whole or its first digits
  sed "s,use \"parts/nets.hgm\",& pin \"$pin\"," a.hgm > pinned.hgm; grep -q pin pinned.hgm || fail "a pin"
  expect_exit 0 $HGMC check pinned.hgm
done
mkdir moved; cp -r a.hgm a.lock parts moved; expect_exit 0 $HGMC check moved/a.hgm
sed -i 's/tanh/relu/' parts/nets.hgm
expect_exit 1 $HGMC check a.hgm; expect_text "parts/nets.hgm, used in line $(grep -n parts/nets.hgm a.hgm | cut -d: -f1) of a.hgm, has changed"; expect_text "hgmc lock"
expect_exit 1 $HGMC check pinned.hgm; expect_text "error[pin-mismatch]"; expect_text "write \`pin \"sha256:$(sha256sum < parts/nets.hgm | cut -c1-64)\"\`"
expect_exit 0 $HGMC check b.hgm
expect_exit 0 $HGMC lock a.hgm; expect_exit 0 $HGMC check a.hgm
sed 's/parts.nets/parts\/other/' a.hgm > c.hgm; cp parts/nets.hgm parts/other.hgm; cp a.lock c.lock
expect_exit 1 $HGMC check c.hgm; expect_text "which the model does not import"
echo "something" > a.lock
expect_exit 1 $HGMC check a.hgm; expect_text "line 1 of a.lock"
: > a.lock
expect_exit 1 $HGMC check a.hgm; expect_text "pins 0 imports, the model has 1"
# ---- what has no numbers of its own: bodies, cuts, weights, what blocks say; a comment is no difference
cat > body.hgm <<'E3'
data d { x = ["a", "b"] |> standardize; where x[0] > 0; weight = "w" }
net f(x: d.x) -> d.x = x |> dense(4) |> tanh |> dense(2) # two layers
train { y = f(x); update f { minimize mse(y, x); with adam(1e-3) }; batch 64; epochs 10; where x[1] > 0 }
generate { z ~ normal[2]; x = z; where x[0] > 1 }
score { r = norm(f(x)) }
evaluate { metrics ks }
E3
sed -e 's/tanh/relu/; s/x\[0\] > 0/x[0] > 5/; s/"w"/"v"/; s/y = f(x)/y = f(2 * x)/; s/x\[1\] > 0/x[1] > 6/; s/z ~ normal\[2\]/z ~ laplace(0, 1)[2]/; s/x\[0\] > 1/x[0] > 7/; s/norm(/sum(/; s/metrics ks/metrics ks, js/' body.hgm > other.hgm
expect_exit 0 $HGMC diff body.hgm other.hgm
for text in "~ net f:" "|> relu |>" "~ data d: where: where x[0] > 0 -> where x[0] > 5" '~ data d: weight: "w" -> "v"' "~ training train: y: y = f(x) -> y = f(2 * x)" \
  "~ training train: where: where x[1] > 0 -> where x[1] > 6" "~ generate z: z ~ normal[2] -> z ~ laplace(0, 1)[2]" "~ generate where: where x[0] > 1 -> where x[0] > 7" \
  "~ score r: r = norm(f(x)) -> r = sum(f(x))" "~ evaluate metrics: metrics ks -> metrics ks, js" "9 differences"; do
  expect_text "$text"
done
sed -e 's/# two layers/# a pair of them/; s/; where x\[0\] > 0/;\n  where   x[0] > 0/' body.hgm > same.hgm
expect_exit 0 $HGMC diff body.hgm same.hgm; expect_text "no difference"
