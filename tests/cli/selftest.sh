# The installation's own test passes.
. "$ROOT/tests/cli/lib.bash"
expect_exit 0 $HGMC selftest --quiet
expect_text "selftest passed"
