# Files in other units than the model's: converted in every command, said once; what is of another dimension is refused.
. "$ROOT/tests/cli/lib.bash"
cat > model.hgm << 'END'
data d {
  gen  = { pt = "gen_pt" in GeV |> log |> standardize }
  reco = { pt = "pt" / "gen_pt" |> log |> standardize
           iso = "iso" in GeV |> missing(-1, replace = 0) |> standardize }
  where "mass" > 4 GeV
}
flow f(reco | gen) { base normal; affine_coupling(subnet = mlp([8])); reverse }
train {
  update f { minimize -log_prob(f, reco | gen); with adam(1e-3) }
  batch 64
  epochs 1
}
generate given gen { reco ~ f | gen }
score { density = log_prob(f, physical(reco) | gen) }
evaluate { metrics ks }
END
# in_unit UNIT FACTOR FIRST LAST: the same events in a unit of which FACTOR are a GeV. In eighths of a GeV both ways of writing one are the same double.
in_unit() {
  echo "gen_pt [$1],pt [$1],iso [$1],mass [$1]"
  awk -v factor="$2" -v first="$3" -v last="$4" 'BEGIN {
    for (i = first; i < last; i++) {
      gen = 160 + i * 37 % 801
      printf "%.3f,%.3f,%.3f,%.3f\n", gen * factor / 8, (gen - 80 + i * 53 % 161) * factor / 8, i % 10 ? i * 29 % 101 * factor / 8 : -1, i * 31 % 97 * factor / 8
    }
  }'
}
in_unit GeV 1 0 600 > gev.csv
in_unit MeV 1000 0 600 > mev.csv
in_unit MeV 1000 0 250 > begin_mev.csv
in_unit GeV 1 250 600 > end_gev.csv
sed '1s/gen_pt .MeV./gen_pt [cm]/' mev.csv > cm.csv
converted="note: units of mev.csv are converted: \`gen_pt\` MeV to GeV"

# ---- training: the same weights from either file, and from files in two units as one
expect_exit 0 $HGMC run model.hgm --train gev.csv -o gev
grep -q "are converted" log && fail "nothing to be said where nothing is converted"
expect_exit 0 $HGMC run model.hgm --train mev.csv -o mev
expect_text "$converted, \`pt\` MeV to GeV, \`iso\` MeV to GeV, \`mass\` MeV to GeV"
[ "$(grep -c "are converted" log)" = 1 ] || fail "the conversion to be said once"
same_weights gev/model.h5 mev/model.h5
expect_exit 0 $HGMC run model.hgm --train begin_mev.csv --train end_gev.csv -o both --quiet
same_weights gev/model.h5 both/model.h5
expect_exit 0 $HGMC check model.hgm --data mev.csv
sed 's/"gen_pt" in GeV/"gen_pt"/; s/"mass" >/"gen_pt" >/' model.hgm > cut.hgm # only the cut says a unit: of what is cut, and of what that meets in the ratio
for unit in gev mev; do expect_exit 0 $HGMC run cut.hgm --train $unit.csv -o cut_$unit --quiet; done
same_weights cut_gev/model.h5 cut_mev/model.h5

# ---- drawing and scoring: by hgmc and by the program that stands alone
expect_exit 0 $HGMC build gev -o sim
for program in "$HGMC sample gev" ./sim; do
  expect_exit 0 $program --given gev.csv --quiet -o drawn_gev.csv --force
  expect_exit 0 $program --given mev.csv -o drawn_mev.csv --force
  expect_text "$converted"
  same_file drawn_gev.csv drawn_mev.csv
done
[ "$(head -n 1 drawn_mev.csv)" = "gen_pt [GeV],pt [GeV],iso [GeV]" ] || fail "what is drawn to be in the model's units"
for program in "$HGMC score gev --data" "./sim --score"; do
  expect_exit 0 $program gev.csv --quiet -o score_gev.csv --force
  expect_exit 0 $program mev.csv -o score_mev.csv --force
  expect_text "$converted"
  same_file score_gev.csv score_mev.csv
done
expect_exit 0 $HGMC eval mev --data gev.csv --quiet; mv log eval_gev # for `mev` this is another file: all of it is compared
expect_exit 0 $HGMC eval gev --data mev.csv --quiet; mv log eval_mev
same_file eval_gev eval_mev
expect_exit 0 $HGMC eval --data gev.csv --against mev.csv --quiet --json against.json
[ "$(grep -cE '"(wasserstein|ks)": 0\.0,' against.json)" = 4 ] || fail "no distance of gen_pt and pt to themselves in another unit"

# ---- a column without a unit in the model has the training file's
sed 's/ in GeV//; /where/d' model.hgm > bare.hgm # no unit at all
expect_exit 0 $HGMC run bare.hgm --train mev.csv -o bare --quiet
expect_exit 0 $HGMC sample bare --given mev.csv --quiet -o drawn_mev.csv --force
expect_exit 0 $HGMC sample bare --given gev.csv -o drawn_gev.csv --force
expect_text "note: units of gev.csv are converted: \`gen_pt\` GeV to MeV"
same_file drawn_gev.csv drawn_mev.csv
[ "$(head -n 1 drawn_mev.csv)" = "gen_pt [MeV],pt [MeV],iso [MeV]" ] || fail "what is drawn to be in the training file's units"

# ---- another dimension
for program in "$HGMC run model.hgm -o cm --train" "$HGMC check model.hgm --data" "$HGMC sample gev -o cm.h5 --given" "$HGMC score gev -o cm.h5 --data" "$HGMC eval gev --data"; do
  expect_exit 1 $program cm.csv
  expect_text "error[unit]: \`gen_pt\` of cm.csv is in cm, which is no GeV"
done
for program in "./sim --given" "./sim --score"; do
  expect_exit 1 $program cm.csv -o cm.h5
  expect_text "column \`gen_pt\` is in cm, which is no GeV"
done
[ ! -e cm.h5 ] || fail "no file after a refusal"

# ---- a unit goes through squares and roots: the range of a mass in GeV, of momenta in MeV
for range in "0..40 GeV" "0..40000 MeV" "0..40000"; do
  cat > mass.hgm << END
data d {
  pt = ["gen_pt", "pt"] in MeV |> log |> standardize
}
net f(z: real[2]) -> d.pt = z |> dense(2)
train {
  z ~ normal[2]
  update f { minimize mse(f(z), pt); with adam(1e-3) }
  batch 100
  epochs 1
}
generate { z ~ normal[2]; pt = f(z) }
evaluate {
  observable m = mass(p4(pt = pt[0], eta = 1, phi = 0, m = 105.7 MeV) + p4(pt = pt[1], eta = -1, phi = 2, m = 105.7)) over $range
  metrics chi2(5)
}
END
  expect_exit 0 $HGMC run mass.hgm --train mev.csv -o mass --quiet --force
  grep -v events_per_second mass/evaluation.json > "mass_${range// /}"
done
grep -A 2 '"chi2(5)"' mass_0..40GeV > /dev/null || fail "a chi2"
same_file mass_0..40GeV mass_0..40000MeV
same_file mass_0..40GeV mass_0..40000
