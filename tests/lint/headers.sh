# Each header compiles alone.
cd "$ROOT"; bad=0
for header in $(git ls-files '*.h' | grep -v '^tests/'); do
  extra=; case $header in compiler/codegen/*) extra=$(llvm-config-19 --cflags | sed 's/-std=[^ ]*//') ;; runtime/hdf5*) extra=$(pkg-config --cflags hdf5) ;; esac
  cc -std=c11 -D_POSIX_C_SOURCE=200809L -I. -Ibuild/gen $extra -fsyntax-only -x c "$header" 2> "$SCRATCH/log" || { cat "$SCRATCH/log"; bad=1; }
done
exit $bad
