// N-subjettiness of the image of a jet: how well its intensity is described by n directions (Thaler and Van Tilburg, JHEP 03 (2011) 015,
// 1011.2268), as published for generated images (de Oliveira et al., 1701.05927).
//
//   void *room = malloc(hgm_subjettiness_room(25, 25));  double tau2 = hgm_subjettiness(pixels, 25, 25, 2, 1.25, room);
#ifndef HGM_SUBJETTINESS_H
#define HGM_SUBJETTINESS_H

#include <stddef.h>

// Bytes of room that images of so many pixels need.
size_t hgm_subjettiness_room(int rows, int columns);

// tau_n = sum of I_k min over the axes of dR(k, axis) / sum of I_k, in rad. image (rows, columns): intensities; what is not positive is no
// hit. Rows lie in eta, columns in phi, both over -reach .. reach; a pixel stands in its middle. n = 1: the axis is the brightest pixel.
// n > 1: hits are joined, the pair with the smallest min(I_i, I_j)² dR² first (exclusive kt; of equals the first in row-major order), into one
// in the direction of the brighter (winner takes all, Larkoski et al., 1401.2158; of equals the later one), until n are left. At most n hits: 0.
double hgm_subjettiness(const double *image, int rows, int columns, int n, double reach, void *room);

#endif
