# Every example of docs/language.md: ```hgm is a file that `hgmc check` accepts, ```hgm wrong is followed by a ```text block with
# exactly what it prints. ```hgm part is not run. Imports of the examples are looked for in examples/vae.
. "$ROOT/tests/cli/lib.bash"
export HGM_PATH="$ROOT/examples/vae"
awk '
  /^```/ && !open {
    open = 1; out = ""
    if ($0 == "```hgm") { n++; out = n ".good" }
    else if ($0 == "```hgm wrong") { n++; out = n ".wrong"; wrong = n }
    else if ($0 == "```text" && wrong == n && wrong > 0) { out = n ".text"; wrong = 0 }
    if (out != "") printf "" > out
    next
  }
  /^```$/ { open = 0; out = ""; next }
  open && out != "" { print > out }
' "$ROOT/docs/language.md"

ran=0 bad=0
for block in *.good *.wrong; do
  [ -e "$block" ] || continue
  number=${block%.*}
  cp "$block" example.hgm
  timeout "${HGM_LIMIT:-300}" "$HGMC" check example.hgm > log 2>&1 < /dev/null
  status=$?
  ran=$((ran + 1))
  case $block in
    *.good) if [ $status -ne 0 ]; then bad=$((bad + 1)); echo "example $number, exit $status:"; cat "$block" log; fi ;;
    *.wrong)
      [ -s "$number.text" ] || { bad=$((bad + 1)); echo "example $number has no text block behind it"; continue; }
      [ $status -eq 1 ] || { bad=$((bad + 1)); echo "example $number is accepted, or exit $status is not 1"; cat "$block"; }
      diff -u "$number.text" log || bad=$((bad + 1)) ;;
  esac
done
[ $ran -ge 15 ] || fail "15 examples or more in docs/language.md, found $ran"
[ $bad -eq 0 ] || { echo "$bad of $ran examples do not hold"; exit 1; }
