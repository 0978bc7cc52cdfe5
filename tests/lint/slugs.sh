# Every kind of diagnostic is seen by a user somewhere in the tests: in an expected file, or it stands below with the reason.
cd "$ROOT"; bad=0
reason() {
  case $1 in
    column-text | column-unreadable) echo "needs a data file: tests/cli/bad_data.sh, tests/unit/data_test.c" ;;
    trained-columns) echo "needs a run: tests/cli/trained.sh" ;;
    sides-differ | det-differs | inexact | partly-tried) echo "needs check --test: tests/cli/bijections.sh" ;;
    internal) echo "no program is known that shows it" ;;
    too-long) echo "a file of 16 MiB: tests/unit/import_test.c" ;;
  esac
}
raised() { git grep -qw "DIAG_$(echo "$1" | tr a-z- A-Z_)" -- 'lang/*.c' 'lang/*.l' 'lang/*.y' 'compiler/*.c' 'runtime/*.c'; }
for slug in $(sed -n 's/^DIAG([A-Z_]*, "\([a-z-]*\)".*/\1/p' lang/diag.def); do
  seen=; grep -qs -e "^error\[$slug\]" -e "^warning\[$slug\]" tests/golden/error/*.expected && seen=1
  why=$(reason "$slug")
  if [ -z "$seen" ] && [ -z "$why" ]; then echo "$slug: no program in tests/golden/error shows it"; bad=1; fi
  if [ -n "$seen" ] && [ -n "$why" ]; then echo "$slug: shown by a program, so it is no exception ($why)"; bad=1; fi
  case $why in reserved*) if raised "$slug"; then echo "$slug: reported somewhere, so it needs a program"; bad=1; fi ;; esac
done
exit $bad
