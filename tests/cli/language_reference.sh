# The examples of docs/language.md are files that hgmc accepts; those marked `hgm wrong` print what stands behind them.
. "$ROOT/tests/cli/lib.bash"
awk '/^```hgm part/ {skip = 1; next} /^```hgm( wrong)?$/ {n++; kind = $2; name = sprintf("%02d%s.hgm", n, kind == "wrong" ? "-wrong" : ""); on = 1; next}
     /^```text$/ && kind == "wrong" {name = sprintf("%02d-wrong.expected", n); on = 1; kind = ""; next}
     /^```$/ {on = 0; skip = 0; next} on {print > name}' "$ROOT/docs/language.md"
count=0
for file in [0-9]*.hgm; do
  case $file in
    *-wrong.hgm) expect_exit 1 $HGMC check $file; diff -u "${file%.hgm}.expected" log || fail "the output of $file" ;;
    *) expect_exit 0 $HGMC check $file; expect_text "no errors" ;;
  esac
  count=$((count + 1))
done
[ $count -ge 8 ] || fail "at least 8 examples, found $count"
