# How much is compiled: distinct kernels and LLVM instructions of each program have bounds, in the place of times. They are what
# was counted on a machine with 256-bit vectors and a quarter; a change that goes over one says in its message why.
# With 512-bit vectors a block of a product has 24 accumulators in place of 12, and what follows on it stands there so often: 1.4 to 1.9 times as many.
. "$ROOT/tests/cli/lib.bash"
quarters=5; ! grep -qw avx512f /proc/cpuinfo || quarters=8
# bound MODEL PROGRAM KERNELS INSTRUCTIONS
bound() {
  read -r kernels instructions <<< "$(sed -nE "s/.* $2: machine code, ([0-9]+) kernels of ([0-9]+) LLVM.*/\1 \2/p" "$SCRATCH/$(basename "$1").counts")"
  [ -n "$kernels" ] || fail "$1 to compile a program $2"
  [ "$kernels" -le $(($3 * 5 / 4)) ] || fail "at most $3 kernels and a quarter in $2 of $1, there are $kernels"
  [ "$instructions" -le $(($4 * quarters / 4)) ] || fail "at most $(($4 * quarters / 4)) instructions in $2 of $1, there are $instructions"
}
count() { expect_exit 0 $HGMC check "$ROOT/$1" --time-passes --no-cache; cp log "$(basename "$1").counts"; }
count examples/flows/jets.hgm
bound examples/flows/jets.hgm jets.prepare 20 1202
bound examples/flows/jets.hgm jets.fit_1 13 1037
bound examples/flows/jets.hgm train.update_1 67 14058
bound examples/flows/jets.hgm train.validate 29 5148
bound examples/flows/jets.hgm generate 40 6195
count bench/flow10.hgm
bound bench/flow10.hgm train.update_1 52 13615
bound bench/flow10.hgm generate 22 4278
count examples/vae/zgamma.hgm
bound examples/vae/zgamma.hgm train.update_1 28 7930

# the scratch memory of a step is a tile's and a few sums', whatever the batch
memory() { expect_exit 0 $HGMC check "$1" --dump plan --no-cache; grep -A1 '^train.update_1' log | tail -n 1; }
sed 's/batch 2048/batch 65536/' "$ROOT/examples/flows/jets.hgm" > large.hgm
small=$(memory "$ROOT/examples/flows/jets.hgm"); large=$(memory large.hgm)
[[ "$small" == *", 0 bytes an event" ]] || fail "a density to keep nothing of an event beyond its tile: $small"
[ "$small" = "$large" ] || fail "the same scratch memory for 2048 and 65536 events: $small; $large"
