# Lists whose elements are computed together, compiled: what each is one by one, in training too; and 1,024 draws are no more code than 8.
. "$ROOT/tests/cli/lib.bash"
awk 'BEGIN { srand(3); print "a,b,c"; for (k = 0; k < 600; k++) { a = rand() - 0.5; printf "%.6f,%.6f,%.6f\n", a, a + rand(), a * rand() } }' > data.csv
cat > model.hgm << 'HGM'
param k = 8
data d { x = ["a", "b", "c"] |> standardize; split 0.8 / 0.2 / 0 }
net g(z: real[2]) -> real[3] = z |> mlp([8], tanh) |> dense(3)
flow f(z: real[2] | x: d.x) { base normal; spline_coupling(4, subnet = mlp([8], tanh)); maf([8]) }
train {
  zs ~ normal[5, 2]
  update g, f { minimize -logsumexp([log_prob(normal(g(z), 0.5), x) + log_prob(f, z | x) for z in LIST]); with adam(1e-2) }
  batch 64
  epochs 1
}
score {
  zs ~ normal[5, 2]
  bound = logsumexp([log_prob(normal(g(z), 0.5), x) - log_prob(f, z | x) for z in LIST])
  many = mean([sum(g(draw(f | x))) for _ in 0:k])
}
HGM
sed 's/LIST/zs/' model.hgm > together.hgm
sed 's/LIST/[zs[i] for i in 0:5]/' model.hgm > apart.hgm
for m in together apart; do
  expect_exit 0 $HGMC run $m.hgm --train data.csv --quiet -o $m --precision f64
  expect_exit 0 $HGMC score $m --data data.csv --quiet -o $m.csv
done
paste -d, together.csv apart.csv | awk -F, 'NR > 1 { for (k = 1; k <= 2; k++) { d = $k - $(k + 2); if (d < 0) d = -d; if (!(d < 1e-9)) bad = 1 } n++ } END { exit bad || n != 600 }' ||
  fail "elements together to be those one by one: $(paste -d, together.csv apart.csv | head -n 3 | tr '\n' ';')"
for k in 8 1024; do
  expect_exit 0 $HGMC run together.hgm --train data.csv --set k=$k --steps 1 --quiet -o k$k
  $HGMC score k$k --data data.csv --quiet --time-passes --no-cache -o k$k.csv 2>&1 | grep -oE '[0-9]+ LLVM instructions' | sort -n | tail -n 1 > code$k
done
read -r few _ < code8; read -r many _ < code1024
[ "$many" -lt $((few + few / 10)) ] || fail "1,024 draws to be as much code as 8: $many instructions, $few"
