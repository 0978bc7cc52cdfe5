# An include is legal only along an arrow of the architecture; LLVM and HDF5 headers stay in their folders.
cd "$ROOT"; bad=0
allowed() { # folder regex-of-allowed-includes
  while IFS=: read -r file line text; do
    header=$(sed -E 's/.*#include "([^"]*)".*/\1/' <<< "$text")
    [[ $header =~ ^($2) ]] || { echo "$file:$line includes $header, which lies above it"; bad=1; }
  done < <(grep -rnE '#include "' "$1" --include='*.c' --include='*.h' --include='*.y' --include='*.l')
}
allowed lang/base 'lang/base/'
allowed compiler/ir 'lang/base/|compiler/ir/|runtime/philox.h'
allowed compiler/ad 'lang/base/|compiler/ir/|compiler/ad/'
allowed compiler/opt 'lang/base/|compiler/ir/|compiler/opt/'
allowed compiler/codegen 'lang/base/|compiler/ir/|compiler/codegen/|runtime/(program|program_file|philox|pool|error).h'
allowed compiler/build 'lang/base/|compiler/build/|sampler/seal.h|runtime/'
allowed runtime 'runtime/'
allowed mpi 'runtime/(ranks|error).h'
allowed sampler 'sampler/|runtime/'
allowed lang 'lang/|compiler/ir/|compiler/ad/|runtime/(philox.h|unit.h|units.def)|parser.h|lexer.h'
while read -r file; do
  case $file in compiler/codegen/*) ;; *) echo "$file includes an LLVM header"; bad=1 ;; esac
done < <(grep -rlE '#include [<"]llvm' lang compiler runtime sampler --include='*.[ch]')
while read -r file; do
  case $file in runtime/hdf5_*) ;; *) echo "$file includes hdf5.h"; bad=1 ;; esac
done < <(grep -rlE '#include [<"]hdf5' lang compiler runtime sampler --include='*.[ch]')
exit $bad
