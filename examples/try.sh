#!/usr/bin/env bash
# Trains the examples for a few steps each and prints one table: does each read its data, train, draw and evaluate?
# usage: examples/try.sh HGMC [NAME …]; HGM_DATA names the folder with the files (default ../shared/data), STEPS=20 how long each phase is.
# An example whose file is not there is left out, and so are distances to the nearest training event, which take minutes. Exit 1 if any failed.
set -u
cd "$(dirname "$0")"
hgmc=$1; shift
data=${HGM_DATA:-../../shared/data} steps=${STEPS:-20}
case $hgmc in /*) ;; *) hgmc=$OLDPWD/$hgmc ;; esac
case $data in /*) ;; *) data=$PWD/$data ;; esac
declare -A files=(
  [gan]= [dirac_gan]= [regularised_gan]= [wgan]= [wgan_gp_ring]= [unrolled_gan]= [subtraction]=
  [wgan_gp]=jets_response.h5 [bit_gan]=jets_response.h5 [eventgan]=ttbar.h5
  [subtraction_ee]="base=ee_subtraction.h5 back=ee_subtraction.h5 wanted=ee_subtraction.h5"
  [lagan]=jet_images.h5 [dcgan]=jet_images.h5 [fcgan]=jet_images.h5 [hybridgan]=jet_images.h5 [image_classifier]=jet_images.h5
  [cyclegan]="fast=jets_response.h5 full=jets_response.h5")
order="gan dirac_gan regularised_gan wgan wgan_gp_ring wgan_gp unrolled_gan bit_gan eventgan subtraction subtraction_ee lagan dcgan fcgan hybridgan image_classifier cyclegan"
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
for file in *.hgm; do # short phases, in imported files too
  sed -E "s/^  steps [0-9_]+/  epochs 1 of $steps steps/; s/^  epochs [0-9_]+( of [0-9_]+ steps)?/  epochs 1 of $steps steps/; s/ every [0-9]+$//; s/ nearest,//; /assert/d" "$file" > "$scratch/$file"
done
cd "$scratch" || exit 2
failed=0
printf '%-18s %10s %7s  %s\n' example parameters seconds 'losses of the last epoch'
for name in ${*:-$order}; do
  train=() missing=
  for file in ${files[$name]}; do
    [ -e "$data/${file#*=}" ] || missing=${file#*=}
    case $file in *=*) train+=(--train "${file%%=*}=$data/${file#*=}") ;; *) train+=(--train "$data/$file") ;; esac
  done
  if [ -n "$missing" ]; then printf '%-18s left out: no %s\n' "$name" "$missing"; continue; fi
  start=$SECONDS
  if ! "$hgmc" run "$name.hgm" "${train[@]}" -o "run_$name" > "$name.log" 2>&1; then
    failed=1
    printf '%-18s FAILED: %s\n' "$name" "$(grep -aE 'error|hgmc:' "$name.log" | head -n 1)"
    continue
  fi
  parameters=$(grep -ao '[0-9]* parameters' "$name.log" | head -n 1)
  losses=$(tr '\r' '\n' < "$name.log" | grep -a '^train.* epoch' | tail -n 1 | sed 's/^[^:]*: //; s/, [^,]*events.s$//')
  printf '%-18s %10s %7d  %s\n' "$name" "${parameters% *}" $((SECONDS - start)) "$losses"
done
exit $failed
