# A trained run inside another program: its numbers, frozen or trained on, its preparation, fits and seed; the new run stands alone.
. "$ROOT/tests/cli/lib.bash"
awk 'BEGIN { srand(3); print "a,b,c"; for (i = 0; i < 600; i++) { u = rand(); v = rand(); print 5 * u "," 3 + u * v "," v } }' > data.csv
teaches "|> standardize" 20 5
expect_exit 0 $HGMC run teacher.hgm --train data.csv -o runs/teacher --set codes=2 --seed 9 --quiet
expect_exit 0 $HGMC score runs/teacher --data data.csv -o taught.csv
cat > student.hgm <<'E2'
use trained "runs/teacher" as teacher
data own { x: teacher.events.x; split 0.5 / 0.5 / 0 }
net pupil(x: own.x) -> real[2] = x |> dense(8) |> tanh |> dense(2)
train { update pupil { minimize sse(pupil(x), teacher.encode(x)); with adam(1e-2) }; batch 64; epochs 10 }
generate { h ~ teacher.cloud; x = teacher.decode(h) }
generate again { h ~ in_turn(teacher.seen); x = teacher.decode(h) }
score { error = sse(x, teacher.decode(teacher.encode(x))); code = teacher.encode(x)[0]; lp = log_prob(teacher.law, x); lc = log_prob(teacher.cloud, teacher.encode(x))
        learnt = sse(pupil(x), teacher.encode(x)) }
E2
# ---- frozen: the same scores as the run itself, whatever this program's split, seed and params
expect_exit 0 $HGMC run student.hgm --train data.csv -o runs/student --seed 4 --quiet
expect_exit 0 $HGMC score runs/student --data data.csv -o student.csv
cut -d, -f1-4 student.csv > a; same_file taught.csv a
awk -F, 'NR > 1 { s += $5; n++ } END { exit !(s / n < 0.1) }' student.csv || fail "the pupil learns"
# ---- it stands alone: without the teacher it samples, scores, resumes, and leaves as a sampler
expect_exit 0 $HGMC sample runs/teacher -n 500 --seed 7 -o t.csv
mv runs/teacher away; mv parts gone; mv teacher.hgm gone.hgm
expect_exit 0 $HGMC sample runs/student -n 500 --seed 7 -o s.csv; same_file t.csv s.csv
expect_exit 0 $HGMC score runs/student --data data.csv -o student2.csv; same_file student.csv student2.csv
expect_exit 0 $HGMC sample away -n 500 --seed 7 -o t2.csv; same_file t.csv t2.csv
expect_exit 0 $HGMC build runs/student -o sim
expect_exit 0 ./sim again -n 700 -o own.csv; expect_exit 0 $HGMC sample runs/student again -n 700 -o again.csv; same_file own.csv again.csv
expect_exit 1 $HGMC check student.hgm; expect_text "error[trained-missing]"; expect_text "--trained teacher=DIR"
expect_exit 0 $HGMC check student.hgm --trained teacher=away
expect_exit 0 $HGMC run student.hgm --train data.csv -o runs/other --trained teacher=away --seed 4 --quiet
expect_exit 0 $HGMC score runs/other --data data.csv -o other.csv; same_file student.csv other.csv
# ---- trained on: what an update names moves, what it does not stays
sed 's/update pupil { minimize sse(pupil(x), teacher.encode(x))/update teacher.decode { minimize sse(x, teacher.decode(teacher.encode(x)))/; /learnt/s/.*/}/; /score/s/$/ }/' student.hgm | sed '/^}$/d; /^net pupil/d' > on.hgm
expect_exit 0 $HGMC run on.hgm --train data.csv -o runs/on --trained teacher=away --quiet
expect_exit 0 $HGMC score runs/on --data data.csv -o on.csv
cut -d, -f2-4 on.csv > a; cut -d, -f2-4 taught.csv > b; same_file a b
[ "$(cut -d, -f1 on.csv | md5sum)" != "$(cut -d, -f1 taught.csv | md5sum)" ] || fail "the decoder to move"
# ---- the same bits after a kill
$HGMC run on.hgm --train data.csv -o killed --trained teacher=away --quiet > log 2>&1 &
pid=$!
await $pid test -s killed/last.h5
kill -9 $pid 2> /dev/null; wait $pid 2> /dev/null
expect_exit 0 $HGMC run on.hgm --train data.csv -o killed --quiet --resume
same_weights runs/on/model.h5 killed/model.h5
# ---- its nets and fits serve a program that has none of its fields, or something else under their name
for field in y x; do
  cat > foreign.hgm <<E2
use trained "runs/teacher" as teacher
data own { $field = ["b", "c"] |> standardize }
net pupil(h: real[2]) -> own.$field = h |> dense(2)
train { h ~ teacher.cloud; update pupil { minimize mse(pupil(h), $field); with adam(1e-2) }; batch 64; epochs 1 }
generate { h ~ teacher.cloud; $field = pupil(h) }
generate codes { h ~ teacher.cloud; $field = h }
E2
  expect_exit 0 $HGMC run foreign.hgm --train data.csv -o runs/foreign --trained teacher=away --quiet --force
  expect_exit 0 $HGMC sample runs/foreign codes -n 50 --seed 7 -o codes_$field.csv
done
same_file codes_y.csv codes_x.csv
# ---- misuse
sum=$(sha256sum away/model.h5 | cut -c1-12)
sed "s/\"runs.teacher\"/\"away\" pin \"sha256:$sum\"/" student.hgm > pinned.hgm
expect_exit 0 $HGMC check pinned.hgm
sed -i "s/sha256:..../sha256:zzzz/" pinned.hgm
expect_exit 1 $HGMC check pinned.hgm; expect_text "error[pin-mismatch]"
sed 's/x: teacher.events.x;/x = ["a", "b", "c"] |> standardize;/' student.hgm > columns.hgm
expect_exit 1 $HGMC check columns.hgm --trained teacher=away; expect_text "error[trained-columns]"; expect_text "x: teacher.events.x"
cut -d, -f1,2 data.csv > two.csv
expect_exit 1 $HGMC run student.hgm --train two.csv -o runs/bad --trained teacher=away --quiet; expect_text "error[column-missing]"
rm away/model.h5
expect_exit 1 $HGMC check student.hgm --trained teacher=away; expect_text "was not trained to its end"
