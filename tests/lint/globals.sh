# No mutable globals: nothing of ours lies in .data or .bss, but for two that nothing else can be: what a signal handler
# sets, and the once-flag that starts LLVM.
bad=0
for object in $(find "$BUILD_DIR/lang" "$BUILD_DIR/compiler" "$BUILD_DIR/runtime" "$BUILD_DIR/gen" -name '*.o'); do
  found=$(objdump -t "$object" | awk '$3 == "O" || $2 == "O" || $4 ~ /^\.(data|bss)$/ {print}' | grep -E ' O +\.(data|bss)(\s|$)|O \*COM\*' | grep -vE ' (caught|llvm_started)$' | grep -v 'asan\|__odr_asan\|\.data\.rel\.ro')
  [ -n "$found" ] && { echo "$object:"; echo "$found"; bad=1; }
done
exit $bad
