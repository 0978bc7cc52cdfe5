# Scores that look at their batch: groups of as many rows as training takes, in the order of the file; the last one is filled up with rows before it.
. "$ROOT/tests/cli/lib.bash"
awk 'BEGIN { print "a,b"; for (i = 0; i < 250; i++) printf "%.4f,%.4f\n", sin(i) + 2, cos(3 * i) }' > d.csv
cat > coupled.hgm <<'E1'
data d { x = ["a", "b"] |> standardize }
net f(x: d.x) -> real = x |> dense(1)
train {
  update f { minimize (f(x) - batch_mean(f(x)) - 1)^2; with adam(1e-3) }
  batch 100
  epochs 1
}
score { plain = f(x); away = f(x) - mean(batch(f(x))) }
generate { z ~ normal[2]; x = z }
E1
expect_exit 0 "$HGMC" run coupled.hgm --train d.csv -o run --quiet
for threads in 1 2; do expect_exit 0 "$HGMC" score run --data d.csv -o "s$threads.csv" --threads $threads; done
same_file s1.csv s2.csv
awk -F, 'NR > 1 { plain[NR - 2] = $1; away[NR - 2] = $2; n = NR - 1 }
  function about(from, first, to,   i, m) { for (i = from; i < from + 100; i++) m += plain[i] / 100; for (i = first; i < to; i++) if ((away[i] - plain[i] + m)^2 > 1e-10) exit 1 }
  END { if (n != 250) exit 2; about(0, 0, 100); about(100, 100, 200); about(150, 200, 250) }' s1.csv || fail "scores of the batches (exit $?)"
expect_exit 0 "$HGMC" build run -o sampler
expect_text "the scores look at batches of events"
expect_exit 2 ./sampler --score d.csv -o s3.csv

# what batch norm remembers belongs to no batch: such scores are of each event alone, and a sampler has them
sed -e 's/x |> dense(1)$/x |> dense(4) |> reshape(1, 1, 4) |> batch_norm |> flatten |> dense(1)/' -e 's/; away = .*}/ }/' coupled.hgm > alone.hgm
expect_exit 0 "$HGMC" run alone.hgm --train d.csv -o alone --quiet
expect_exit 0 "$HGMC" score alone --data d.csv -o t1.csv
expect_exit 0 "$HGMC" build alone -o alone_sampler
grep -q batches log && fail "scores of single events in the sampler"
expect_exit 0 ./alone_sampler --score d.csv -o t2.csv
same_file t1.csv t2.csv
