# A trained run that uses a trained run, and one inside of a file that is used under a name: its numbers, seed, params, preparation and fits are those that it
# had by itself; nothing needs the directories that came before; columns, units and pins are looked at through all of them.
. "$ROOT/tests/cli/lib.bash"
awk 'BEGIN { s = 7; print "a,b,c"; for (i = 0; i < 400; i++) { s = (s * 16807) % 2147483647; u = s / 2147483647; s = (s * 16807) % 2147483647; v = s / 2147483647; print 5 * u "," 3 + u * v "," v } }' > data.csv
teaches "in GeV |> standardize" 3 2
cat > student.hgm <<'E2'
use trained "runs/teacher" as teacher
param width = 3
data own { x: teacher.events.x; split 0.5 / 0.5 / 0 }
net pupil(x: own.x) -> real[2] = x |> dense(width) |> tanh |> dense(2)
flow again(x) { base normal; permute; affine_coupling(mlp([4])); permute }
fn missed(x) = sse(pupil(x), teacher.encode(x))
train { update pupil { minimize missed(x); with adam(1e-2) }; batch 64; epochs 2 }
train { update again { minimize -log_prob(again, x); with adam(1e-2) }; batch 64; epochs 1 }
fit pupils = gaussian(pupil(x))
generate { h ~ pupils; x = teacher.decode(h) }
score { missed = missed(x); lp = log_prob(again, x) }
E2
cat > third.hgm <<'E2'
use trained "runs/student" as student
data mine { x: student.own.x; split 0.7 / 0.3 / 0 }
net heir(x: mine.x) -> real[2] = x |> dense(3) |> tanh |> dense(2)
train { update heir { minimize sse(heir(x), student.pupil(x)) + sse(heir(x), student.teacher.encode(x)); with adam(1e-2) }; batch 64; epochs 1 }
generate { h ~ student.pupils; x = student.teacher.decode(h) }
generate seen { h ~ in_turn(student.teacher.seen); x = student.teacher.decode(h) }
score { error = sse(x, student.teacher.decode(student.teacher.encode(x))); code = student.teacher.encode(x)[0]; lp = log_prob(student.teacher.law, x)
        lc = log_prob(student.teacher.cloud, student.teacher.encode(x)); missed = student.missed(x); lp2 = log_prob(student.again, x) }
E2
expect_exit 0 $HGMC run teacher.hgm --train data.csv -o runs/teacher --set codes=2 --seed 9 --quiet
expect_exit 0 $HGMC score runs/teacher --data data.csv -o taught.csv
expect_exit 0 $HGMC run student.hgm --train data.csv -o runs/student --set width=5 --seed 4 --quiet
expect_exit 0 $HGMC score runs/student --data data.csv -o learnt.csv
paste -d, taught.csv learnt.csv | sed '1s/lp$/lp2/' > both.csv
expect_exit 0 $HGMC sample runs/student -n 300 --seed 7 -o s.csv
# ---- the same scores as of the two runs themselves, whatever this program's split and seed; without their directories
mv runs/teacher away
expect_exit 0 $HGMC run third.hgm --train data.csv -o runs/third --seed 5 --quiet
expect_exit 0 $HGMC score runs/third --data data.csv -o third.csv; same_file both.csv third.csv
expect_exit 0 $HGMC sample runs/third -n 300 --seed 7 -o t.csv; same_file s.csv t.csv
mv runs/student gone; mkdir kept; mv teacher.hgm student.hgm parts kept
expect_exit 0 $HGMC score runs/third --data data.csv -o third2.csv; same_file both.csv third2.csv
expect_exit 0 $HGMC build runs/third -o sampler
expect_exit 0 ./sampler seen -n 450 -o own.csv --quiet; expect_exit 0 $HGMC sample runs/third seen -n 450 -o seen.csv; same_file own.csv seen.csv
# ---- a run of a run of a run, moved on: what an update names moves, in the innermost too; the same bits after a kill
cat > fourth.hgm <<'E2'
use trained "runs/third" as third
data all { x: third.student.teacher.events.x }
train { update third.student.teacher.decode { minimize sse(x, third.student.teacher.decode(third.student.teacher.encode(x))); with adam(1e-2) }; batch 64; epochs 2 }
score { error = sse(x, third.student.teacher.decode(third.student.teacher.encode(x))); code = third.student.teacher.encode(x)[0]; lp = log_prob(third.student.teacher.law, x)
        lc = log_prob(third.student.teacher.cloud, third.student.teacher.encode(x)); missed = third.student.missed(x); lp2 = log_prob(third.student.again, x) }
E2
expect_exit 0 $HGMC run fourth.hgm --train data.csv -o runs/fourth --seed 6 --quiet
mv runs/third third_gone
expect_exit 0 $HGMC score runs/fourth --data data.csv -o fourth.csv
cut -d, -f2- fourth.csv > a; cut -d, -f2- both.csv > b; same_file a b
[ "$(cut -d, -f1 fourth.csv | md5sum)" != "$(cut -d, -f1 both.csv | md5sum)" ] || fail "the decoder to move"
mv third_gone runs/third
$HGMC run fourth.hgm --train data.csv -o runs/longer --seed 6 --quiet > log 2>&1 &
pid=$!
await $pid test -s runs/longer/last.h5
kill -9 $pid 2> /dev/null; wait $pid 2> /dev/null
mv runs/third third_gone
expect_exit 0 $HGMC run fourth.hgm --train data.csv -o runs/longer --quiet --resume
same_weights runs/fourth/model.h5 runs/longer/model.h5
# ---- inside of what is used under a name, here and in a trained run
mkdir lib; printf '%s\n' 'use trained "../away" as teacher' 'param width = 3' 'net pupil(x: teacher.events.x) -> real[2] = x |> dense(width) |> tanh |> dense(2)' \
  'fn missed(x) = sse(pupil(x), teacher.encode(x))' > lib/pupils.hgm
printf '%s\n' 'use "lib/pupils.hgm" (width = 4) as p' 'data all { x: p.teacher.events.x }' 'net heir(x: all.x) -> real[2] = x |> dense(2)' \
  'train { update heir, p.pupil { minimize p.missed(x) + sse(heir(x), p.teacher.encode(x)); with adam(1e-2) }; batch 64; epochs 1 }' \
  'score { error = sse(x, p.teacher.decode(p.teacher.encode(x))); code = p.teacher.encode(x)[0]; lp = log_prob(p.teacher.law, x); lc = log_prob(p.teacher.cloud, p.teacher.encode(x)) }' > named.hgm
expect_exit 0 $HGMC run named.hgm --train data.csv -o runs/named --quiet
expect_exit 0 $HGMC score runs/named --data data.csv -o named.csv; same_file taught.csv named.csv
expect_exit 0 $HGMC check named.hgm --trained p.teacher=away
mv away away2; mv lib lib2
expect_exit 0 $HGMC score runs/named --data data.csv -o named2.csv; same_file taught.csv named2.csv
printf '%s\n' 'use trained "runs/named" as n' 'data all { x: n.p.teacher.events.x }' 'net heir(x: all.x) -> real[2] = x |> dense(2)' \
  'train { update heir { minimize n.p.missed(x) + sse(heir(x), n.heir(x)); with adam(1e-2) }; batch 64; epochs 1 }' \
  'score { error = sse(x, n.p.teacher.decode(n.p.teacher.encode(x))); code = n.p.teacher.encode(x)[0]; lp = log_prob(n.p.teacher.law, x); lc = log_prob(n.p.teacher.cloud, n.p.teacher.encode(x)) }' > deep.hgm
expect_exit 0 $HGMC run deep.hgm --train data.csv -o runs/deep --quiet
expect_exit 0 $HGMC score runs/deep --data data.csv -o deep.csv; same_file taught.csv deep.csv
# ---- misuse: other columns, other units, another pin, a manifest that does not hold the inner run
sed 's/x: student.own.x/x = ["a", "b", "c"] in GeV |> standardize/' third.hgm > columns.hgm
expect_exit 1 $HGMC check columns.hgm --trained student=gone; expect_text "error[trained-columns]"; expect_text "x: student.own.x"
expect_exit 1 $HGMC check third.hgm; expect_text "error[trained-missing]"; expect_text "--trained student=DIR"
sed '1s/a,b,c/a,b,d/' data.csv > other.csv
expect_exit 1 $HGMC run third.hgm --train other.csv -o runs/bad --trained student=gone --quiet; expect_text "error[column-missing]"
sum=$(sha256sum away2/model.h5 | cut -c1-12)
sed "s/\"runs.teacher\"/\"away2\" pin \"sha256:$sum\"/" kept/student.hgm > pinned.hgm
expect_exit 0 $HGMC run pinned.hgm --train data.csv -o runs/pinned --quiet
expect_exit 0 $HGMC check third.hgm --trained student=runs/pinned
expect_exit 0 $HGMC lock third.hgm --trained student=runs/pinned; grep -q "trained student.teacher" third.lock || fail "the inner run in the lock"
expect_exit 1 $HGMC check third.hgm --trained student=gone; expect_text "has changed"
rm third.lock
sed 's/trained:teacher:root/trained:teacher:hole/' gone/manifest.json > m && mv m gone/manifest.json
expect_exit 1 $HGMC check third.hgm --trained student=gone; expect_text "error[trained-missing]"; expect_text "does not hold what it was made of"
