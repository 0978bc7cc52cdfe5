// Special functions that C lacks, in double, relative error about 1e-15 (digamma: absolute, near its zeros).
#ifndef HGM_IR_SPECIAL_H
#define HGM_IR_SPECIAL_H

double special_normal_icdf(double p); // standard normal quantile; 0: -inf, 1: inf, outside: nan
double special_digamma(double x);     // nan at 0, -1, -2, ...
double special_trigamma(double x);    // inf there
double special_i0e(double x);         // exp(-|x|) I_0(x)
double special_i1e(double x);         // exp(-|x|) I_1(x)

#endif
