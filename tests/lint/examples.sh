# An example is one page: at most 60 lines, its paper in the first one (or that there is none), and how long the full size takes.
cd "$ROOT"; bad=0
wrong() { echo "$1: $2"; bad=1; }
for file in examples/*/*.hgm; do
  head -n 1 "$file" | grep -qE '^## .*([0-9]{4}\.[0-9]{4,5}|no paper)' || wrong "$file" "the first line names no paper, nor says that there is none"
  [ "$(wc -l < "$file")" -le 60 ] || wrong "$file" "more than 60 lines"
  [ "$(grep -cE '^# Full size: (at most [0-9.]+ (s|min|h) on (one|two) Zen [0-9] cores? \([0-9.e+]+ events at [0-9.e+]+ a second\)|trains nothing|not timed)\.$' "$file")" = 1 ] ||
    wrong "$file" "no line «# Full size: at most … on one Zen 3 core (… events at … a second).»; FULL=30 examples/try.sh measures it"
done
exit $bad
