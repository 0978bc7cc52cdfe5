# The awkward files of ../shared/data/awkward, each as its README expects: read with the right numbers, or refused with the place and a cure.
. "$ROOT/tests/cli/lib.bash"
folder=$ROOT/../shared/data/awkward

# model FILE FIELDS NAMES: an affine flow over the fields
model() {
  printf 'data d {\n%b\n}\nflow f(%s) {\n  base normal\n  repeat 2 { affine_coupling(subnet = mlp([8])); reverse }\n}\n' "$2" "$3" > "$1"
  printf 'train {\n  update f { minimize -log_prob(f, %s); with adam(1e-3) }\n  batch 32\n  epochs 1\n}\ngenerate { %s ~ f }\n' "$3" "$3" >> "$1"
}
# columns NAMES: a model of these columns, standardized
columns() { model model.hgm "  x = [$1] |> standardize" x; }
# reads FILE NAMES [TEXT of the log]
reads() {
  columns "$2"
  expect_exit 0 $HGMC check model.hgm --data "$1"
  expect_exit 0 $HGMC run model.hgm --train "$1" -o run --force
  if [ $# -gt 2 ]; then expect_text "$3"; fi
}
# refuses CODE FILE NAMES TEXT…: at check, before anything is made
refuses() {
  local code=$1 file=$2; columns "$3"; shift 3
  expect_exit $code $HGMC check model.hgm --data "$file"
  expect_text "$(basename "$file")"
  for text in "$@"; do expect_text "$text"; done
  expect_exit $code $HGMC run model.hgm --train "$file" -o refused --force
  for text in "$@"; do expect_text "$text"; done
  [ ! -e refused/model.h5 ] || fail "no weights after a refusal of $file"
}
# run_refuses FILE NAMES TEXT…: known from the values alone
run_refuses() {
  local file=$1; columns "$2"; shift 2
  expect_exit 1 $HGMC run model.hgm --train "$file" -o refused --force
  for text in "$@"; do expect_text "$text"; done
}
# fitted STATISTIC PLACE LOW HIGH: what the last run's preparation has found in the column
fitted() {
  local found
  found=$(h5dump -y -w 1 -d "stat:x.1.$1" run/model.h5 | sed -n '/DATA {/,/}/p' | grep -oE '^ +-?[0-9][^ ,]*' | sed -n "$(($2 + 1))p")
  awk -v x="$found" -v low="$3" -v high="$4" 'BEGIN { exit !(x != "" && x >= low && x <= high) }' || fail "$1 of column $2 within $3..$4, found «$found»"
}

# ---- home-made, so that something is tried everywhere
printf '\xef\xbb\xbf"p t [GeV]","\xce\xb7"\r\n' > bom.csv
for i in $(seq 60); do printf '"%d.5",%d\r\n' $i $((i % 7)); done >> bom.csv
reads bom.csv '"p t", "η"'
fitted mean 0 25 36
printf 'a\tb\n' > t.tsv; for i in $(seq 60); do printf '%d\t%d\n' $i $((i % 7)); done >> t.tsv
reads t.tsv '"a", "b"'
cp t.tsv t.csv; refuses 1 t.csv '"a"' "separated by tabs; name the file .tsv"
printf 'a,a\n1,2\n' > twice.csv; refuses 1 twice.csv '"a"' "line 1: columns 1 and 2 are both named \`a\`"
if [ ! -d "$folder" ]; then echo "../shared/data/awkward is not there: only the home-made files were tried"; exit 0; fi

# ---- HDF5 that is read
reads $folder/lzf.h5 '"pt"'
reads $folder/pandas_table_categorical.h5 '"pt"'
model model.hgm '  x = "pt" |> standardize\n  region: class of ["barrel", "endcap", "forward"] = "region"' x
expect_exit 0 $HGMC run model.hgm --train $folder/pandas_table_categorical.h5 -o run --force
model model.hgm '  x = "pt" |> standardize\n  region: class of ["barrel", "endcap"] = "region"' x
expect_exit 1 $HGMC run model.hgm --train $folder/pandas_table_categorical.h5 -o refused --force
expect_text "column \`region\` has \"forward\" in row"; expect_text "(\"barrel\", \"endcap\")"
reads $folder/pandas_fixed.h5 '"pt", "eta"'
reads $folder/pandas_fixed_mixed.h5 '"pt", "n"'
reads $folder/compound.h5 '"pt", "p4[0]", "hit.layer"'
reads $folder/big_endian.h5 '"x", "i", "u"'
fitted mean 0 -0.4 0.4; fitted std 0 0.9 1.5
reads $folder/strings.h5 '"pt"'
reads $folder/small_ints.h5 '"q", "flag", "f2"'
fitted mean 0 -0.5 0.5; fitted std 0 0.8 1.01; fitted mean 1 0.2 0.8
reads $folder/constant_column.h5 '"c", "x", "y"' "column \`c\` of"
expect_text "is constant (4 everywhere)"
fitted mean 0 4 4
reads $folder/nested_unlimited.h5 '"a/b/c/pt", "a/link"'
model model.hgm '  x: real[4] = "p4" |> standardize' x
expect_exit 0 $HGMC run model.hgm --train $folder/compound.h5 -o run --force
printf 'p4\n1\n2\n' > narrow.csv
expect_exit 1 $HGMC eval run --data narrow.csv
expect_text "is (N), the field wants (N, 4)"; expect_text "the run was trained on that: give it a file where \`p4\` has that shape"

# ---- HDF5 that is refused
refuses 1 $folder/compound.h5 '"p4"' "error[column-shape]" "is (N, 4), the field wants (N)" "NAME: real[4] = \"p4\""
refuses 1 $folder/strings.h5 '"pt", "vlen"' "\`vlen\` of" "holds text" "class of ["
refuses 1 $folder/strings.h5 '"pt", "fixed"' "\`fixed\` of" "holds text"
run_refuses $folder/small_ints.h5 '"i64"' "column \`i64\` has 9007199254740993 in row 1, beyond 2^53"
refuses 1 $folder/empty.h5 '"pt"' "column \`pt\` has no rows"
refuses 1 $folder/empty.h5 '"null"' "error[column-unreadable]" "a null dataspace"
refuses 1 $folder/empty.h5 '"scalar"' "a single value, not one per event"
refuses 1 $folder/ragged_lengths.h5 '"pt", "eta"' "\`pt\` has 200 rows and \`eta\` has 199"
run_refuses $folder/nan_inf.h5 '"x"' "column \`x\` has 3 NaN (first in row 7) and 2 infinities (first in row 9)"
refuses 1 $folder/nested_unlimited.h5 '"a/broken"' "is a link to /no/such, which does not exist"
refuses 1 $folder/nested_unlimited.h5 '"pt"' "did you mean \`a/b/c/pt\`"
refuses 1 $folder/truncated.h5 '"pt"' "truncated or damaged" "copy or make it again"
refuses 1 $folder/not_hdf5.h5 '"pt"' "this is not an HDF5 file"
# written for a newer library: read where the library can, else said
columns '"pt", "eta"'
$HGMC check model.hgm --data $folder/latest_format.h5 > log 2>&1
case $? in 0) reads $folder/latest_format.h5 '"pt", "eta"' ;; 1) expect_text "h5repack --low=0 --high=1" ;; *) fail "latest_format.h5 read or refused" ;; esac

# ---- text
refuses 1 $folder/zero_bytes.csv '"pt"' "the file is empty"
reads $folder/messy.csv '"pt", "n"'
run_refuses $folder/messy.csv '"η"' "column \`η\` has 3 NaN (first in row 1)" "missing(nan, replace ="
model model.hgm '  x = "η" |> missing(nan, replace = 0) |> standardize' x
expect_exit 0 $HGMC run model.hgm --train $folder/messy.csv -o run --force
reads $folder/sentinel.csv '"pt", "iso"' "column \`iso\` has 23 times -999, far from the rest (first in row 0)"
expect_text "missing(-999, replace ="
model model.hgm '  x = "iso" |> missing(-999, replace = 0) |> standardize' x
expect_exit 0 $HGMC run model.hgm --train $folder/sentinel.csv -o run --force
! grep -q warning log || fail "no warning of a sentinel that is declared"
refuses 1 $folder/half_written.csv '"pt"' "line 201: the file ends in the middle of a row"
refuses 1 $folder/short_row.csv '"pt"' "line 52: 2 cells where the header has 3"
refuses 1 $folder/long_row.csv '"pt"' "line 52: 4 cells where the header has 3"
refuses 1 $folder/duplicate_names.csv '"pt"' "columns 1 and 3 are both named \`pt\`"
refuses 1 $folder/no_header.csv '"pt"' "line 1: holds numbers where the names of the columns should stand"
refuses 1 $folder/text_cell.csv '"pt"' "column \`pt\` should hold numbers, but line 11 has \`hello\`"
reads $folder/text_cell.csv '"eta", "q"'
reads $folder/tabs.tsv '"pt", "eta", "q"'
refuses 2 $folder/spaces.txt '"pt"' "aligned with blanks" "save it as .csv"
refuses 1 $folder/semicolon_decimal_comma.csv '"pt"' "separated by semicolons, perhaps with decimal commas"
refuses 1 $folder/locale_big_numbers.csv '"x"' "line 3 has \`1e309\` (beyond what a double holds), line 5 has \`0x1p-3\`, line 6 has \`1_000\`"

# ---- NumPy
refuses 1 $folder/fortran_order.npy '"fortran_order"' "is (N, 3), the field wants (N)"
for file in fortran_order c_order_f4; do
  model model.hgm "  x: real[3] = \"$file\" |> standardize" x
  expect_exit 0 $HGMC run model.hgm --train $folder/$file.npy -o run --force
  if [ $file = fortran_order ]; then fitted mean 2 -0.4 0.4; fitted std 2 0.9 1.01; fi # +-1
done
reads $folder/big_endian.npy '"big_endian"'
reads $folder/structured.npy '"pt", "eta", "q"'
fitted std 2 0.9 1.01
refuses 1 $folder/object.npy '"object"' "holds Python objects (a pickle), which are never run"
for file in arrays arrays_compressed; do
  reads $folder/$file.npz '"y"'
  model model.hgm '  x: real[3] = "x" |> standardize' x
  expect_exit 0 $HGMC run model.hgm --train $folder/$file.npz -o run --force
done
