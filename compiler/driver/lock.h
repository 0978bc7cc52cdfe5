// MODEL.lock beside MODEL.hgm: what the model imports, by content. `hgmc lock` writes it; a model that has one is refused when an import differs.
//
//   sha256:5be1c0…  parts/nets.hgm
//   sha256:91bc77…  trained teacher
#ifndef HGM_DRIVER_LOCK_H
#define HGM_DRIVER_LOCK_H

#include "compiler/driver/session.h"

bool lock_agrees(const Session *session, const char *path, HgmError *error); // true where there is no lock

#endif
