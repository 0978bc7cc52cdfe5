# Other processors, by qemu: a sampler for 64-bit ARM has the bits of `hgmc sample` here, for every function, law and precision; damage and wrong use are
# refused; a processor without AVX2 too, by hgmc and by a sampler.
. "$ROOT/tests/cli/lib.bash"
printf 'x\n%s\n' "$(seq 0 99)" > x.csv
if ! command -v qemu-aarch64 > /dev/null; then echo "needs qemu-user"; exit 77; fi

# ---- an older x86-64 processor is told what it lacks
if [ "${BUILD_DIR##*/}" = release ]; then # qemu gives a sanitizer's terabytes of shadow all memory there is
  expect_exit 2 qemu-x86_64 -cpu Nehalem "$HGMC" run "$ROOT/examples/gan/gan.hgm" --steps 1 -o older
  expect_text "this processor has no AVX2 and FMA"
fi

# ---- every function of a number, over many orders of magnitude, and draws of every law
{ begins_with x; cat << 'HGM'; } > all.hgm
generate {
  x ~ normal
  u ~ normal
  v ~ uniform(-1, 1)
  few ~ poisson(3)
  many ~ poisson(400)
  wait ~ exponential_law(2)
  part ~ beta_law(0.3, 0.4)
  angle ~ von_mises(1, 4)
  kind ~ categorical(5)
  w = 30 * u
  p = exp(w)
  root = sqrt(p)
  log_p = log(p)
  log1p_p = log1p(p)
  expm1_u = expm1(u)
  big = exp(3 * w)
  power = abs(u)^v
  sine = sin(w)
  cosine = cos(w)
  tangent = tan(w)
  arc = atan(w)
  arc2 = atan2(u, v)
  hyper = sinh(u) + cosh(v)
  thyper = tanh(u)
  ahyper = asinh(w)
  error = erf(u)
  gate = sigmoid(w)
  step = logit(part)
  cdf = normal_cdf(3 * u)
  icdf = probit(0.5 + 0.5 * v)
  gamma = lgamma(abs(w))
  down = floor(w)
  near = round(w)
  most = max(u, v) + min(w, v)
  turned = wrap(w)
  rest = softplus(w)
}
score { u = sum(f(d.x)) }
HGM
expect_exit 0 $HGMC run all.hgm --train x.csv --quiet -o all
if ! "$HGMC" build all --target aarch64 --quiet -o all.arm > log 2>&1; then
  expect_text "install gcc-aarch64-linux-gnu"
  echo "hgmc was built without a compiler for it"; exit 77
fi
same() { # same RUN OPTION …: one drawing here and there, of many events and of few
  local run=$1; shift
  for n in 1000 3; do
    expect_exit 0 "$HGMC" sample "$run" -n $n "$@" --quiet --force -o here.npy
    expect_exit 0 qemu-aarch64 "./$run.arm" -n $n "$@" --threads 2 --quiet --force -o there.npy
    cmp -s here.npy there.npy || fail "the same bits of $run, $n events $*"
  done
}
same all
same all --seed 7 --first-event 5000000000
expect_exit 0 "$HGMC" score all --data x.csv --quiet -o here.csv
expect_exit 0 qemu-aarch64 ./all.arm --score x.csv --quiet -o there.csv
same_file here.csv there.csv

# ---- products and splines, in both precisions; an image
$HGMC run $jets --epochs 1 --quiet -o flow > log 2>&1; [ $? -le 1 ] || fail "a trained run"
expect_exit 0 "$HGMC" build flow --target aarch64 --quiet -o flow.arm
same flow --given "$ROOT/examples/data/jets.h5"
cp -r flow double
expect_exit 0 "$HGMC" build double --precision f64 --target aarch64 --quiet -o double.arm
for n in 300 2; do
  expect_exit 0 "$HGMC" sample double --precision f64 --given "$ROOT/examples/data/jets.h5" -n $n --quiet --force -o here.h5
  expect_exit 0 qemu-aarch64 ./double.arm --given "$ROOT/examples/data/jets.h5" -n $n --quiet --force -o there.h5
  h5diff here.h5 there.h5 > log 2>&1 || fail "the same numbers in double precision"
done

expect_exit 0 "$HGMC" build flow --precision bf16 --target aarch64 --quiet -o half.arm
for n in 300 2; do
  expect_exit 0 "$HGMC" sample flow --precision bf16 --given "$ROOT/examples/data/jets.h5" -n $n --quiet --force -o here.npy
  expect_exit 0 qemu-aarch64 ./half.arm --given "$ROOT/examples/data/jets.h5" -n $n --quiet --force -o there.npy
  cmp -s here.npy there.npy || fail "the same bits in bf16, $n events"
done

# ---- what it refuses
expect_exit 0 "$HGMC" build flow --quiet -o flow.x86
expect_exit 2 qemu-x86_64 -cpu Nehalem ./flow.x86 -n 2 --given "$ROOT/examples/data/jets.h5" -o new.csv
expect_text "this processor is x86-64, the program was built for x86-64-v3"
expect_exit 2 "$HGMC" build flow --target aarch64 --lib -o lib
expect_text "a library (--lib) is for x86-64"
expect_exit 2 "$HGMC" build flow --target arm -o x.arm
expect_text "expected native, x86-64-v3, x86-64-v4, sapphirerapids or aarch64"
expect_exit 2 qemu-aarch64 ./flow.arm -n -5 --given "$ROOT/examples/data/jets.h5" -o new.csv
expect_text 'found `-5`'
size=$(stat -c %s flow.arm)
for place in 70000 $((size / 2)) $((size - 5000)); do
  cp flow.arm broken.arm
  byte=$(od -An -tu1 -j $place -N 1 broken.arm)
  printf "\\$(printf %o $((byte ^ 1)))" | dd of=broken.arm bs=1 seek=$place conv=notrunc 2> log
  expect_exit 3 qemu-aarch64 ./broken.arm -n 2 --given "$ROOT/examples/data/jets.h5" -o new.csv
done
