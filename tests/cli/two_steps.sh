# Two programs, one behind the other: the second uses the trained run of the first, with fields that are split into parts, and with fits alone.
. "$ROOT/tests/cli/lib.bash"
awk 'BEGIN { print "e,a,b,c,d"; for (i = 1; i <= 600; i++) { t = i % 50 + 1; u = (i % 11 + 1) / 20; printf "%d,%.4f,%.4f,%.4f,%.4f\n", t, t * u * 0.3, t * u * 0.7, t * 0.1, t * 0.2 + t * u / 20 } }' > cells.csv
cat > teacher.hgm <<'E1'
data d {
  e       = "e" in MeV |> log |> standardize
  shower  = "{a,b,c,d}" / "e" |> segments([2, 2])
  deposit = shower.total |> logit(1e-3) |> standardize
  cells   = shower.share |> dequantize(1e-6) |> logit(1e-3) |> standardize
}
flow energies(deposit | e) { base normal; spline_coupling(4, subnet = mlp([8])) }
flow shape(cells | e, deposit) { base normal; repeat 2 { spline_maf(4, widths = [8]); permute } }
train { update energies, shape { minimize -log_prob(energies, deposit | e) - log_prob(shape, cells | e, deposit); with adam(1e-3) }; batch 100; steps 20 }
generate given e { deposit ~ energies | e; cells ~ shape | e, deposit }
score { of_total = log_prob(energies, deposit | e) }
E1
# ---- teacher and student (2110.11377): deposit and cells are parts of one field there, so here too
cat > student.hgm <<'E1'
use trained "runs/teacher" as teacher
data d { e: teacher.d.e; deposit: teacher.d.deposit; cells: teacher.d.cells; split 0.5 / 0.5 / 0 }
flow pupil(cells | e, deposit) { base normal; repeat 2 { inverted(spline_maf(4, widths = [8])); permute } }
train {
  update pupil {
    z ~ normal[4]
    made = pupil.forward(z | e, deposit)
    minimize mse(teacher.shape.inverse(made.value | e, deposit).value, z)
    with adam(1e-2)
  }
  batch 100
  epochs 10
}
generate given e { deposit ~ teacher.energies | e; cells ~ pupil | e, deposit }
score { of_total = log_prob(teacher.energies, deposit | e) }
evaluate { observable response = sum(shower.total) over 0..2; metrics wasserstein }
E1
mkdir runs
expect_exit 0 "$HGMC" run teacher.hgm --train cells.csv -o runs/teacher --quiet
expect_exit 0 "$HGMC" run student.hgm --train cells.csv -o runs/student
expect_text "response"
awk -F, 'NR == 2 { first = $4 } { last = $4 } END { exit !(last < first) }' runs/student/metrics.csv || fail "the student learns"
expect_exit 0 "$HGMC" score runs/teacher --data cells.csv -o taught.csv
expect_exit 0 "$HGMC" score runs/student --data cells.csv -o learnt.csv
same_file taught.csv learnt.csv # other rows were trained on: the numbers of the preparation are the teacher's
expect_exit 0 "$HGMC" sample runs/student --given cells.csv -n 50 -o drawn.csv
[ "$(head -n 1 drawn.csv)" = "e [MeV],a,b,c,d" ] || fail "the columns of the file, found $(head -n 1 drawn.csv)"
sed 's/e: teacher.d.e;/& shower: teacher.d.shower;/' student.hgm > said.hgm # the whole field, said
expect_exit 0 "$HGMC" run said.hgm --train cells.csv -o runs/said --quiet
expect_exit 0 "$HGMC" sample runs/said --given cells.csv -n 50 -o said.csv
same_file drawn.csv said.csv
sed 's/e: teacher.d.e;/shower = "a"; e: teacher.d.e;/' student.hgm > clash.hgm
expect_exit 1 "$HGMC" check clash.hgm; expect_text "error[given-twice]"

# ---- fits and scores of a trained run's values, without any training
cat > looks.hgm <<'E1'
use trained "runs/teacher" as model
data d { e: model.d.e; deposit: model.d.deposit }
fit axes = pca(deposit, 1)
score { unlikely = -log_prob(model.energies, deposit | e); along = axes(deposit)[0] }
evaluate { metrics roc(unlikely, deposit[0] > 0.3) }
E1
expect_exit 0 "$HGMC" run looks.hgm --train cells.csv -o runs/looks
expect_text "fitted \`axes\` to"; expect_text "roc(unlikely, deposit[0] > 0.3): "
expect_exit 0 "$HGMC" score runs/looks --data cells.csv -o looks.csv
paste -d, taught.csv looks.csv | awk -F, 'NR > 1 && ($1 + $2)^2 > 1e-8 { exit 1 }' || fail "the likelihood of the trained run"
sed '/^fit/d; s/; along.*/ }/' looks.hgm > nothing.hgm
expect_exit 1 "$HGMC" run nothing.hgm --train cells.csv -o runs/nothing; expect_text "no \`train\` block and no \`fit\`, so there is nothing to run"

# ---- the design's program of scores, with the run that it asks for (its pin is that of another run)
programs=$ROOT/../shared/design/programs
[ -d "$programs" ] || exit 0
expect_exit 0 "$HGMC" run "$programs/18-vae-nf-d.hgm" --train "$ROOT/examples/data/zgamma.h5" --steps 1 --set width=32 -o runs/18-vae-nf-d --quiet
expect_exit 1 "$HGMC" check "$programs/19-anomaly.hgm" --trained model=runs/18-vae-nf-d; expect_text "error[pin-mismatch]"
sed 's/pin "[^"]*"//' "$programs/19-anomaly.hgm" > 19-anomaly.hgm
expect_exit 0 "$HGMC" check 19-anomaly.hgm
