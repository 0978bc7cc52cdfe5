# Every estimate of `fit` against its formula, drawing from each, the same bits for threads and after a kill, and in a sampler.
. "$ROOT/tests/cli/lib.bash"
command -v python3 > /dev/null || { echo "no python3"; exit 77; }
cat > data.py <<'E2'
import random
random.seed(5)
print("a,b,c,k,y")
for i in range(400):
    u, v, w = random.gauss(0, 1), random.gauss(0, 1), random.gauss(0, 1)
    far = 4 if i % 3 == 0 else 0
    a = u + 1 + far
    print(f"{a:.9g},{0.5 * u + v + 2 + far:.9g},{0.3 * v + 0.2 * w + 3:.9g},{random.choice((-1, -1, 1))},{a + w:.9g}")
E2
python3 data.py > data.csv
cat > fits.hgm <<'E2'
data d {
  x: real[3] = ["a", "b", "c"]
  k: class of [-1, 1] = "k"
  y = "y"
  split 1 / 0 / 0
}
net enc(x: d.x) -> real[2] = x |> dense(2)
fit memory = collect((x, k, y))
fit (centre, width) = (average(x), spread_of(x))
fit cloud  = gaussian(x)
fit axes   = pca(x, 2)
fit raw    = svd(x, 3)
fit rank   = ecdf(x)
fit bins   = quantile_bins(y, 10)
fit smooth = kde(x, 0.3)
fit mix    = gaussian_mixture(x, 2)
train { update enc { minimize mse(enc(x), [1, 2]); with adam(1e-2) }; batch 50; epochs 30; keep last }
fit codes = gaussian(enc(x))
train { update enc { minimize mse(enc(x), draw(codes)); with adam(1e-3) }; batch 50; epochs 60; keep last }
fit last = average(enc(x))
generate turn { (x, k, y) ~ in_turn(memory) }
generate any { (x, k, y) ~ memory }
generate within { (x, k, v) ~ memory; y ~ bins.within(bins(v)) }
generate cloudy { x ~ cloud }
generate mixed { x ~ mix }
generate smoothed { x ~ smooth }
score {
  pc    = axes(x)
  p0    = pc[0]
  p1    = pc[1]
  plane = norm(x - axes.inverse(pc))
  back  = norm(raw.inverse(raw(x)) - x)
  r0    = rank(x)[0]
  again = (rank.inverse(rank(x)) - x)[0]
  lp    = log_prob(cloud, x)
  lm    = log_prob(mix, x)
  lk    = log_prob(smooth, x)
  bin   = bins(y)
  z0    = ((x - centre) / width)[0]
  e0    = last[0]
}
E2
run() { $HGMC run fits.hgm --train data.csv --quiet "$@" > log 2>&1 || fail "run $*"; }
run --threads 1 -o one
run --threads 2 -o two
same_weights one/model.h5 two/model.h5
$HGMC run fits.hgm --train data.csv --quiet -o killed > log 2>&1 &
pid=$!
await $pid grep -q '^[0-9]*,1,' killed/metrics.csv
kill -9 $pid 2> /dev/null; wait $pid 2> /dev/null
[ -e killed/model.h5 ] && echo "the run was finished before it could be killed"
run --threads 2 -o killed --resume
same_weights one/model.h5 killed/model.h5
expect_exit 0 $HGMC score one --data data.csv -o score.csv
for g in turn any within cloudy mixed smoothed; do expect_exit 0 $HGMC sample one $g -n 4000 -o $g.csv; done
expect_exit 0 $HGMC build one -o sampler
for g in turn cloudy mixed; do expect_exit 0 ./sampler $g -n 4000 -o own_$g.csv; same_file $g.csv own_$g.csv; done
cat > check.py <<'E2'
import csv, math
def table(name): return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(open(name))]
data, score = table("data.csv"), table("score.csv")
n = len(data)
def near(a, b, tol, what):
    if not abs(a - b) <= tol: raise SystemExit(f"{what}: {a} and {b} differ by more than {tol}")
X = [[r["a"], r["b"], r["c"]] for r in data]
mean = [sum(x[j] for x in X) / n for j in range(3)]
cov = [[sum((x[i] - mean[i]) * (x[j] - mean[j]) for x in X) / n for j in range(3)] for i in range(3)]
def det(m): return sum(m[0][i] * (m[1][(i + 1) % 3] * m[2][(i + 2) % 3] - m[1][(i + 2) % 3] * m[2][(i + 1) % 3]) for i in range(3))
def inverse(m):
    d = det(m)
    return [[(m[(j + 1) % 3][(i + 1) % 3] * m[(j + 2) % 3][(i + 2) % 3] - m[(j + 1) % 3][(i + 2) % 3] * m[(j + 2) % 3][(i + 1) % 3]) / d for j in range(3)] for i in range(3)]
inv, norm = inverse(cov), -1.5 * math.log(2 * math.pi) - 0.5 * math.log(det(cov))
order = sorted(x[0] for x in X)
ys = sorted(r["y"] for r in data)
edges = [ys[0]] + [ys[int(t)] + (t - int(t)) * (ys[int(t) + 1] - ys[int(t)]) for t in ((n - 1) * k / 10 for k in range(1, 10))]
for i, (x, s) in enumerate(zip(X, score)):
    d = [x[j] - mean[j] for j in range(3)]
    near(s["lp"], norm - 0.5 * sum(d[a] * inv[a][b] * d[b] for a in range(3) for b in range(3)), 1e-4, "gaussian")
    near(s["z0"], d[0] / math.sqrt(cov[0][0]), 1e-5, "average and spread_of")
    near(s["back"], 0, 1e-5, "svd and back")
    if 0.51 / n < s["r0"] < 1 - 0.51 / n: near(s["again"], 0, 1e-4, "ecdf and back") # the ends are kept inside (0, 1)
    near(s["r0"], order.index(x[0]) / (n - 1), 1 / 256, "ecdf")
    near(s["p0"]**2 + s["p1"]**2 + s["plane"]**2, sum(v * v for v in d), 1e-3, "pca")
    near(s["bin"], sum(e <= data[i]["y"] for e in edges[1:]), 0, "quantile_bins")
    if i < 40:
        kernel = sum(math.exp(-0.5 * sum((x[j] - y[j])**2 for j in range(3)) / 0.09) for y in X) / n
        near(s["lk"], math.log(kernel) - 3 * math.log(0.3) - 1.5 * math.log(2 * math.pi), 1e-4, "kde")
# the axes: variances along them are the two largest eigenvalues, so what is left is the third, and they do not correlate
v = [sum(s[p]**2 for s in score) / n for p in ("p0", "p1")]
left = sum(s["plane"]**2 for s in score) / n
near(v[0] + v[1] + left, sum(cov[i][i] for i in range(3)), 1e-3, "variances"), near(v[0] * v[1] * left, det(cov), 2e-3, "eigenvalues")
near(sum(s["p0"] * s["p1"] for s in score) / n, 0, 1e-4, "axes are independent")
if not sum(s["lm"] for s in score) > sum(s["lp"] for s in score) + 0.2 * n: raise SystemExit("two normal laws describe two clusters better than one")
for i, r in enumerate(table("turn.csv")):
    for c in "abcky": near(r[c], data[i % n][c], 1e-5, f"row {i} in turn")
seen, rows = {}, {tuple(round(r[c], 3) for c in "abcky"): i for i, r in enumerate(data)}
for r in table("any.csv"):
    row = rows[tuple(round(r[c], 3) for c in "abcky")]
    seen[row] = seen.get(row, 0) + 1
if not (len(seen) > 0.99 * n and max(seen.values()) < 32): raise SystemExit("rows come equally often")
for name, spread in (("cloudy", 1), ("mixed", 1), ("smoothed", 1)):
    G = [[r["a"], r["b"], r["c"]] for r in table(name + ".csv")]
    m = [sum(x[j] for x in G) / len(G) for j in range(3)]
    for i in range(3):
        near(m[i], mean[i], 5 * math.sqrt(cov[i][i] / len(G)), name + " mean")
        for j in range(3):
            c = sum((x[i] - m[i]) * (x[j] - m[j]) for x in G) / len(G)
            extra = 0.09 if name == "smoothed" and i == j else 0
            near(c, cov[i][j] + extra, 0.12 * math.sqrt(cov[i][i] * cov[j][j]), f"{name} covariance {i} {j}")
within = table("within.csv")
counts = [0] * 10
for r in within: counts[sum(e <= r["y"] for e in edges[1:])] += 1
for c in counts: near(c, 400, 100, "as many in each interval")
E2
python3 check.py > log 2>&1 || fail "estimates by their formulas"
