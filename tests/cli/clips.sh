# Terms of a convolution that meet a pad's zeros, and sums for rows of an image that a slice cuts off, are left out: in the product, in both of its
# adjoints, along both axes. Without a pad there is nothing to leave out.
. "$ROOT/tests/cli/lib.bash"
# clips SAME COUNT: with or without pads, so many contractions leave out terms along two axes
clips() {
  cat > model.hgm << HGM
data d { image: real[7, 7, 16] = "image" }
net f(x: d.image) = x |> conv2d(16, kernel = 3, same = $1) |> conv2d(16, kernel = 5, same = $1) |> flatten |> dense(1)
train {
  update f { minimize mean(sum(f(image)^2)); with sgd(1e-3) }
  batch 64
  steps 4
}
HGM
  expect_exit 0 "$HGMC" check model.hgm --dump schedule --no-cache
  [ "$(grep -cE "dot .* clips 2( |$)" log)" -eq "$2" ] || fail "$2 contractions that leave out terms along two axes ($1)"
}
clips true 7 # training: two products, an adjoint by an image, two by weights; validation: two products
clips false 0
