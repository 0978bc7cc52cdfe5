#include "sampler/library/place.h"

const HgmBundlePlace hgm_bundle_place = {0, 0};
