# A model as a library: what the files hold, the hosts of examples/hosts, the bits of `hgmc sample`.
. "$ROOT/tests/cli/lib.bash"
$HGMC run $jets --epochs 1 -o run > log 2>&1; [ $? -le 1 ] || fail "a trained run"
hosts="$ROOT/examples/hosts"
expect_exit 0 $HGMC build run --lib --target native -o jetsim; expect_text "libjetsim.so"
expect_exit 2 $HGMC build run --lib -o jetsim; expect_text "--force"
expect_exit 2 $HGMC build run --lib -o 3jets; expect_text "a name in C"
ls libjetsim.a libjetsim.so jetsim.h jetsim.py jetsim.pc > /dev/null || fail "five files"

# ---- what the files hold: no name of another's, nothing writable but the loader's table
nm -u libjetsim.a | grep -q ' U ' && fail "no undefined name"
nm -D --undefined-only libjetsim.so | grep -q . && fail "no undefined name in the shared library"
nm --defined-only libjetsim.a | awk 'NF == 3 { print $3 }' | grep -v '^jetsim_' && fail "only names that begin with the model's"
readelf -dW libjetsim.so | grep -q NEEDED && fail "no other library to be needed"
[ "$(readelf -SW libjetsim.so | awk '$0 ~ / WA / { n++ } END { print n + 0 }')" -eq 1 ] || fail "one writable section, the dynamic one"
compiler=$(command -v cc || command -v gcc)
[ -n "$compiler" ] || { echo "no C compiler here: the hosts are not built"; exit 77; }
for standard in c99 c11; do echo '#include "jetsim.h"' | $compiler -std=$standard -pedantic -Wall -Wextra -Werror -I. -x c -fsyntax-only - || fail "a header for $standard"; done

# ---- the bits of hgmc sample, from C, for any number of events a call and whatever was in the work space
expect_exit 0 $HGMC sample run --given "$ROOT/examples/data/jets.h5" -n 600 --seed 5 --quiet -o gen.csv
cut -d, -f1-8 gen.csv > given.csv
expect_exit 0 $HGMC sample run --given given.csv -n 600 --seed 5 --quiet -o all.npy
expect_exit 0 $HGMC score run --data all.npy --quiet -o score.csv
cat > bits.c << 'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "jetsim.h"
static void *use(jetsim *m, void *work, size_t n) { free(work); size_t bytes = jetsim_work_bytes(m, n); return memset(malloc(bytes), 0xff, bytes); }
int main(int argc, char **argv) { /* rows of given.csv as doubles on stdin; events in pieces of argv[1] */
  enum { N = 600 };
  static double given[N][JETSIM_N_GIVEN], out[N][JETSIM_N_OUT], score[N];
  static float given32[N][JETSIM_N_GIVEN], out32[N][JETSIM_N_OUT];
  size_t piece = (size_t)atoi(argv[argc - 1]);
  jetsim *m = jetsim_open();
  void *work = NULL;
  if (m == NULL || jetsim_size(m, 0) != JETSIM_N_GIVEN || jetsim_size(m, 1) != JETSIM_N_OUT || jetsim_column(m, 1, JETSIM_N_OUT) != NULL) return 1;
  for (int k = 0; k < N; k++)
    for (int i = 0; i < JETSIM_N_GIVEN; i++) {
      if (scanf(i ? ",%lf" : "%lf", &given[k][i]) != 1) return 2;
      given32[k][i] = (float)given[k][i];
    }
  for (size_t at = 0; at < N; at += piece) {
    size_t n = N - at < piece ? N - at : piece;
    work = use(m, work, n);
    if (jetsim_sample_f64(m, work, 5, at, n, given[at], out[at]) != 0) return 3;
    work = use(m, work, n);
    if (jetsim_sample(m, work, 5, at, n, given32[at], out32[at]) != 0) return 3;
  }
  float row[JETSIM_N_OUT];
  for (int k = 0; k < N; k++) {
    for (int i = 0; i < JETSIM_N_OUT; i++) row[i] = (float)out[k][i];
    fwrite(row, sizeof row, 1, stdout);
    for (int i = 0; i < JETSIM_N_OUT; i++) out[k][i] = row[i]; /* as a file of float32 holds them */
  }
  work = use(m, work, N);
  if (jetsim_score_f64(m, work, JETSIM_SEED, 0, N, out[0], score) != 0) return 4;
  for (int k = 0; k < N; k++) fprintf(stderr, "%.17g\n", score[k]);
  if (jetsim_sample(m, NULL, 5, 0, 1, given32[0], out32[0]) != 1 || jetsim_sample(m, work, 5, 0, 1, NULL, out32[0]) != 1) return 5;
  if (jetsim_sample(m, work, 5, 0, 0, NULL, NULL) != 0) return 6;
  free(work);
  jetsim_close(m);
  return 0;
}
C
$compiler -std=c99 -O1 -Wall bits.c libjetsim.a -o bits > log 2>&1 || fail "a C program to link with libjetsim.a"
$compiler -std=c99 -O1 -Wall bits.c -L. -ljetsim -Wl,-rpath,"$PWD" -o bits_shared > log 2>&1 || fail "a C program to link with libjetsim.so"
tail -n +2 given.csv > rows
for piece in 1 7 9 200 600; do
  ./bits $piece < rows > out.$piece 2> score.$piece || fail "bits $piece, code $?"
  cmp -s out.1 out.$piece || fail "the same bits in pieces of 1 and $piece"
done
./bits_shared 100 < rows > out.shared 2> score.shared || fail "the shared library"
same_file out.1 out.shared
# the columns of all.npy are float32 and int32: compared as numbers
cat > compare.c << 'C'
#include <stdio.h>
#include <stdint.h>
#include <string.h>
int main(int argc, char **argv) { /* out.1 (float32) against the rows of an .npy whose types argv[3] lists: f or i */
  FILE *a = fopen(argv[1], "rb"), *b = fopen(argv[2], "rb");
  unsigned char head[12];
  long n = 0, bad = 0;
  if (argc < 4 || !a || !b || fread(head, 1, 12, b) != 12) return 2;
  fseek(b, 12 + (long)(head[8] | head[9] << 8 | head[10] << 16), SEEK_SET);
  for (float x; fread(&x, 4, 1, a) == 1; n++) {
    unsigned char cell[4];
    float y;
    int32_t i;
    if (fread(cell, 1, 4, b) != 4) return 3;
    memcpy(&y, cell, 4), memcpy(&i, cell, 4);
    bad += argv[3][n % (long)strlen(argv[3])] == 'i' ? (float)i != x : y != x;
  }
  printf("%ld numbers, %ld differ\n", n, bad);
  return bad != 0 || n == 0;
}
C
$compiler -std=c99 -O1 compare.c -o compare || fail "compare.c"
types=$(head -c 4000 all.npy | tr -d '\0' | grep -aoE "'<[fi]4'" | cut -c3 | tr -d '\n')
[ ${#types} -eq 24 ] || fail "24 columns of four bytes, found $types"
expect_exit 0 ./compare out.1 all.npy "$types"
tail -n +2 score.csv | awk '{ printf "%.17g\n", $1 }' > want; awk '{ printf "%.17g\n", $1 }' score.1 > got
same_file want got

# ---- hosts
cxx=$(command -v c++ || command -v g++)
if [ -n "$cxx" ]; then
  $cxx -std=c++11 -pedantic -Wall -Wextra -Werror -O2 -I. "$hosts/threads.cpp" libjetsim.a -pthread -o threads > log 2>&1 || fail "threads.cpp to build"
  expect_exit 0 ./threads; expect_text "0 of 96000 numbers differ"
  $cxx -std=c++11 -pedantic -Wall -Wextra -Werror -O2 -I. "$hosts/fast_simulation.cpp" libjetsim.a -o fast > log 2>&1 || fail "fast_simulation.cpp to build"
  expect_exit 0 ./fast
else
  echo "no C++ compiler here: threads.cpp and fast_simulation.cpp are not built"
fi
$compiler -std=c99 -pedantic -Wall -Wextra -Werror -O2 -I. "$hosts/own_random.c" libjetsim.a -lm -o own_random > log 2>&1 || fail "own_random.c to build"
expect_exit 0 ./own_random
$HGMC run $jets --set blocks=1 --epochs 1 -o run2 > log 2>&1; [ $? -le 1 ] || fail "another run"
expect_exit 0 $HGMC build run2 --lib --target native --quiet -o othersim
$compiler -std=c99 -pedantic -Wall -Wextra -Werror -I. "$hosts/two_models.c" libjetsim.a libothersim.a -o two > log 2>&1 || fail "two models in one program"
expect_exit 0 ./two
if command -v gfortran > /dev/null; then
  gfortran -Wall "$hosts/fortran.f90" libjetsim.a -o fortran > log 2>&1 || fail "fortran.f90 to build"
  expect_exit 0 ./fortran
  [ "$(wc -l < log)" -eq 5 ] || fail "five events from Fortran"
else
  echo "no gfortran here: fortran.f90 is not built"
fi
if python3 -c 'import numpy' 2> /dev/null; then
  PYTHONPATH=. expect_exit 0 python3 "$hosts/numpy_host.py"; expect_text "refused:"
else
  echo "no numpy here: numpy_host.py is not run"
fi
if command -v pkg-config > /dev/null; then
  $compiler -std=c99 -O1 $(PKG_CONFIG_PATH=. pkg-config --cflags jetsim) bits.c $(PKG_CONFIG_PATH=. pkg-config --libs jetsim) -o bits3 > log 2>&1 || fail "jetsim.pc to serve"
fi

# ---- damage is refused when the model is opened
size=$(stat -c %s libjetsim.so)
cp libjetsim.so keep.so
printf '\377\377\377' | dd of=libjetsim.so bs=1 seek=$((size * 2 / 3)) conv=notrunc 2> /dev/null
cmp -s keep.so libjetsim.so && fail "damage"
./bits_shared 100 < rows > out.damaged 2> log; [ $? -eq 1 ] || fail "a damaged library to be refused"
:
