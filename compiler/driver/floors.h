// What a program's events cost at least on this machine (docs/performance.md): the operations of its matrix products at
// the rate of a large cblas_sgemm, one on each thread, and its transcendental functions at the rate of the vector
// mathematics. Everything is measured in the process that asks, so that a fraction compares like with like.
//
//   EventWork work = floors_work(fn);  double rate = floors_sgemm(pool), ns = floors_vector_ns(&work, pool);
//   least seconds an event, all threads busy: work.flops / rate + ns * 1e-9 / threads
#ifndef HGM_DRIVER_FLOORS_H
#define HGM_DRIVER_FLOORS_H

#include "compiler/ir/ir.h"
#include "runtime/pool.h"

typedef struct EventWork {
  double flops;                 // of contractions over events, multiply and add counted apart; terms that clips leave out are not
  double calls[IR_OP_COUNT][2]; // of each transcendental function, division, root and draw: f32, f64
} EventWork;

EventWork floors_work(const IrFn *fn);          // an event, from the optimised function
double floors_vector_ns(const EventWork *work); // an event on one thread
double floors_sgemm(HgmPool *pool);             // operations a second, all threads together; 0: OpenBLAS is not installed
double floors_peak(HgmPool *pool);              // the same of multiply-adds on registers only

// What a program reaches beside its floors: short segments of it and of large products in turn, medians.
typedef struct Reached {
  double rate;     // events a second
  double of_floor; // rate over the rate that both floors allow; 0: OpenBLAS is not installed
  double of_peak;  // its products' operations over the peak
  double sgemm;    // operations a second
} Reached;
// call(data) works through some events and says how many. For about `seconds`; vector_ns as floors_vector_ns gives it.
Reached floors_reached(const EventWork *work, double vector_ns, HgmPool *pool, double seconds, int64_t (*call)(void *data), void *data);

#endif
