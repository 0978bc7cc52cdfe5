# Variational dequantization: the mean of exp(bound) over draws of the noise is the probability of a count, whatever the flows have learnt so far, so over all
# counts these add up to 1, which they only do if the noise stays within its unit and every Jacobian is there.
. "$ROOT/tests/cli/lib.bash"
expect_exit 0 "$HGMC" run "$ROOT/examples/flows/dequantize.hgm" --train "$ROOT/examples/data/jets.h5" --steps 300 --quiet -o run
awk 'BEGIN {
  print "GenJet_pt,GenJet_mass,GenJet_eta,GenJet_partonFlavour,Jet_nConstituents,Jet_nMuons"
  for (draw = 0; draw < 100; draw++) for (n = 0; n < 80; n++) for (mu = 0; mu < 5; mu++) printf "60,9,0.5,21,%d,%d\n", n, mu
}' > counts.csv
expect_exit 0 "$HGMC" score run --data counts.csv --quiet -o score.csv
awk -F, '
  NR == 1 { if ($1 != "bound") { print "columns: " $0; exit 1 } next }
  { rows++; sum += exp($1) / 100 }
  END {
    if (rows != 40000) { print rows " rows"; exit 1 }
    print "sum of all: " sum; exit !(sum > 0.98 && sum < 1.01)
  }' score.csv > log || fail "probabilities that add up to 1"
