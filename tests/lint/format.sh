# `make fmt` changes nothing. Versions of clang-format differ in details: 14 is the one that counts.
cd "$ROOT"
for tool in clang-format-14 clang-format; do
  version=$("$tool" --version 2> /dev/null | grep -oE 'version [0-9]+' | cut -d' ' -f2) && [ "$version" = 14 ] && break
done
[ "$version" = 14 ] || { echo "no clang-format 14"; exit 77; }
git ls-files '*.c' '*.h' | xargs "$tool" --dry-run --Werror
