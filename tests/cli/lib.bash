# Shared by the scripts here: each works in $SCRATCH with $HGMC; a failed expectation names itself and ends the script with 1.
set -u
cd "$SCRATCH"
fail() { echo "expected: $*"; [ -e log ] && tail -n 15 log; exit 1; }
# expect_exit CODE command …: runs it, output in ./log
expect_exit() {
  local code=$1; shift
  timeout "${HGM_LIMIT:-300}" "$@" > log 2>&1 < /dev/null
  local status=$?
  [ $status -eq "$code" ] || fail "exit $code, got $status: $*"
}
# expect_text TEXT: stands in ./log (fixed string)
expect_text() { grep -qF -- "$1" log || fail "the text «$1»"; }
# await PID COMMAND …: until the command succeeds, which it must when the process has ended
await() {
  local pid=$1 gone=; shift
  until "$@" > /dev/null 2>&1; do
    [ -z "$gone" ] || fail "what a process does before it ends: $*"
    if kill -0 "$pid" 2> /dev/null; then sleep 0.02; else gone=1; fi
  done
}
same_file() { cmp -s "$1" "$2" || fail "$1 and $2 to be the same bytes"; }
# begins_with COLUMN: the beginning of a model of one column, for what needs a run and no training
begins_with() {
  cat << HGM
data d { x = "$1" |> standardize }
net f(x: d.x) -> d.x = x |> dense(1)
train {
  update f { minimize mean(f(d.x)^2); with sgd(1e-3) }
  batch 100
  steps 4
}
HGM
}
# small_flow SUBNET: the beginning of a model of two columns, for what needs every kind of program and little training; two_columns: a table for it
small_flow() {
  cat << HGM
param width = 8
data d { x = ["a", "b"] |> standardize }
flow f(x) {
  base normal
  affine_coupling(subnet = $1([width]))
  reverse
}
train {
  update f {
    minimize -log_prob(f, x)
    with adam(1e-3)
  }
  batch 32
  epochs 1
}
generate { x ~ f }
HGM
}
two_columns() { awk 'BEGIN { print "a,b"; for (i = 0; i < 200; i++) printf "%.6f,%.6f\n", i * 0.37 % 1, i * 0.73 % 1 + i * 0.11 % 1 }'; }
# clouds_of NUMBERS: the beginning of a model that trains nothing and draws up to six elements of so many numbers, of two kinds; told: which are there
clouds_of() {
  cat << HGM
param junk = 0.0
data d {
  n ~ uniform(0, 6.5)
  z ~ normal[6, $1]
  kind ~ categorical(2)
}
net still() -> (o: real) { learn o: real = 0 }
train {
  update still { minimize 1e-12 * still()^2; with sgd(1e-6) }
  batch 10
  steps 1
}
generate {
  n ~ uniform(0, 6.5)
  z ~ normal[6, $1]
  kind ~ categorical(2)
  told = if range(0, 6) < n - 1 then 1 else 0
HGM
}
# teaches STEPS EPOCHS EPOCHS: teacher.hgm, a program for others to use, and what it uses, parts/nets.hgm; the preparation, and how long its phases are
teaches() {
  mkdir parts runs
  cat > parts/nets.hgm << HGM
param codes = 1
data events { x = ["a", "b", "c"] $1 }
net encode(x: events.x) -> real[codes] = x |> dense(8) |> tanh |> dense(codes)
net decode(h: real[codes]) -> events.x = h |> dense(8) |> tanh |> dense(3)
HGM
  cat > teacher.hgm << HGM
use "parts/nets.hgm"
train { update encode, decode { minimize sse(x, decode(encode(x))); with adam(1e-2) }; batch 64; epochs $2 }
flow law(x) { base normal; repeat 2 { affine_coupling(mlp([8])); permute } }
train { update law { minimize -log_prob(law, x); with adam(1e-2) }; batch 64; epochs $3 }
fit cloud = gaussian(encode(x))
fit seen  = collect(encode(x))
generate { h ~ cloud; x = decode(h) }
score { error = sse(x, decode(encode(x))); code = encode(x)[0]; lp = log_prob(law, x); lc = log_prob(cloud, encode(x)) }
HGM
}
# weights of a run as text without the path
dump() { h5dump "$1" | tail -n +2; }
same_weights() { [ "$(dump "$1" | sha256sum)" = "$(dump "$2" | sha256sum)" ] || fail "$1 and $2 to hold the same numbers"; }
quick="--set layers=4 --set width=16 --set bins=4 --quiet"
jets="$ROOT/examples/flows/jets.hgm --train $ROOT/examples/data/jets.h5 $quick"
