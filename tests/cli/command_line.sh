# Help, exit codes, near misses.
. "$ROOT/tests/cli/lib.bash"
expect_exit 0 $HGMC --help
for verb in run sample score eval check show inspect selftest explain; do expect_text "$verb"; done
for verb in run sample score eval check show inspect selftest explain; do expect_exit 0 $HGMC $verb --help; expect_text "usage: hgmc $verb"; done
expect_exit 2 $HGMC; expect_exit 2 $HGMC rnu; expect_text "did you mean \`run\`"
expect_exit 2 $HGMC run x.hgm --trian y; expect_text "did you mean --train"
expect_exit 2 $HGMC run "$ROOT/examples/zgamma.hgm" -o nowhere; expect_text "no file is named for the data block"
expect_exit 2 $HGMC run nothing.hgm --train y.h5; expect_text "nothing.hgm"
expect_exit 2 $HGMC sample nothing -n x -o y; expect_text "expected N"
expect_exit 0 $HGMC explain shape; expect_exit 2 $HGMC explain shpe
