# A model that was kept is taken again as long as all that it was made of is the same, and no longer; the bits are those without it.
. "$ROOT/tests/cli/lib.bash"
export HGM_CACHE=$SCRATCH/cache
[ "${BUILD_DIR##*/}" = release ] || { echo "only a release of hgmc is linked to a fixed place"; exit 77; }
[ "$(cat /proc/sys/vm/overcommit_memory 2> /dev/null)" != 2 ] && [ "$(ulimit -v)" = unlimited ] || { echo "addresses are counted as memory here, so no model is kept"; exit 77; }
mkdir work found; cd work
{ echo 'use "part.hgm"'; small_flow inner; } > main.hgm
cat >> main.hgm << 'END'
evaluate {
  never = x[0]
  observable sum = x[0] + x[1] over -1..3
  metrics ks
  assert parameters > 0
}
END
inner() { echo "layer inner(widths: [int])(x: real[n], c: real[k] = []) -> (h) { h = mlp(widths, act = $1)(x, c) }"; }
inner tanh > ../found/part.hgm
export HGM_PATH=$SCRATCH/found
two_columns > table.csv
run() { expect_exit 0 $HGMC run main.hgm --train table.csv --quiet --time-passes --force -o "$@"; }
read_again() { run "$@"; expect_text "the model is read and checked"; }
taken() { run "$@"; expect_text "the model is taken from the cache"; expect_text 'warning[unused]'; }

read_again plain --no-cache
read_again cold; expect_text "the model is kept"
taken warm
same_weights plain/model.h5 cold/model.h5; same_weights plain/model.h5 warm/model.h5
for file in evaluation.json manifest.json; do # but for times and places
  same() { sed -E '/second|"(command|created|time|started)/d' "$1/$file"; }
  [ "$(same plain)" = "$(same warm)" ] || fail "the same $file of a model that was taken: $(diff <(same plain) <(same warm))"
done

# what is said on the command line
read_again other --set width=9; taken other --set width=9
[ "$(find "$HGM_CACHE" -size +400k | wc -l)" -eq 1 ] || fail "one model to be kept of one file"
read_again other --seed 2
read_again other --precision f64; taken other --precision f64
read_again other; taken other
# what stands in the file, of the same length; and what it was again
sed -i 's/1e-3/2e-3/' main.hgm; read_again changed
sed -i 's/2e-3/1e-3/' main.hgm; read_again changed; taken changed
# what it uses: another text, another file that comes before, which goes again
inner relu > part.new; cat part.new > ../found/part.hgm; read_again relu; taken relu
(same_weights plain/model.h5 relu/model.h5) > /dev/null && fail "another activation to give other weights"
inner tanh > part.hgm; read_again nearer; taken nearer; same_weights plain/model.h5 nearer/model.h5
rm part.hgm; read_again farther; same_weights relu/model.h5 farther/model.h5
# the library: another text, a file more
cp -r "$HGM_STDLIB" ../library; export HGM_STDLIB=$SCRATCH/library
read_again library; taken library
echo '# more' >> ../library/layers.hgm; read_again library; taken library
echo 'fn nobody(x) = x' > ../library/more.hgm; read_again library; taken library
# seen from another folder
mkdir inside; cp main.hgm table.csv inside; cd inside; read_again here; taken here; cd ..
# a mistake is found as ever, and is not kept
echo 'generate { x ~ g }' >> main.hgm
for i in 1 2; do expect_exit 1 $HGMC run main.hgm --train table.csv --quiet -o wrong; expect_text 'error['; done
# what is damaged is read again: a byte of every page
sed -i '$d' main.hgm; rm -rf "$HGM_CACHE"; read_again whole; taken whole
model=$(ls -S "$HGM_CACHE"/*.hgmprog | head -1) # by far the largest
pages=$(($(stat -c %s "$model") / 4096)); [ "$pages" -gt 100 ] || fail "a model of many pages, not $pages"
for page in 0 1 2 3 $((pages / 3)) $((pages / 2)) $((pages - 1)); do
  printf '\xa5\x5a\xa5' | dd of="$model" bs=1 seek=$((page * 4096 + 70)) conv=notrunc 2> /dev/null
  read_again damaged; taken damaged; same_weights whole/model.h5 damaged/model.h5
done
truncate -s -4096 "$model"; read_again damaged; taken damaged
chmod 666 "$model"; read_again damaged; taken damaged
# two at once, with nothing there
rm -rf "$HGM_CACHE"
for i in 1 2; do $HGMC run main.hgm --train table.csv --quiet --threads 1 -o both$i > both$i.log 2>&1 & pids[i]=$!; done
for i in 1 2; do wait "${pids[i]}" || fail "run $i of two to end well: $(cat both$i.log)"; same_weights whole/model.h5 both$i/model.h5; done
taken warm; same_weights whole/model.h5 warm/model.h5
expect_exit 0 $HGMC sample warm -n 100 -o drawn.csv --quiet
exit 0
