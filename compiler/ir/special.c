// Special functions by textbook series: clarity and accuracy before speed, this is the reference.
#include "compiler/ir/special.h"

#include <math.h>

static const double pi = 3.14159265358979323846264338327950288;

// ---- normal quantile: Wichura, algorithm AS 241 (PPND16), Applied Statistics 37 (1988) 477, and one Newton step

static double horner(const double *c, int n, double x) {
  double y = c[n - 1];
  for (int i = n - 2; i >= 0; i--) y = y * x + c[i];
  return y;
}

static double wichura(double p) {
  static const double a[] = {3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3, 1.3731693765509461125e+4,
                             4.5921953931549871457e+4, 6.7265770927008700853e+4, 3.3430575583588128105e+4, 2.5090809287301226727e+3};
  static const double b[] = {1,
                             4.2313330701600911252e+1,
                             6.8718700749205790830e+2,
                             5.3941960214247511077e+3,
                             2.1213794301586595867e+4,
                             3.9307895800092710610e+4,
                             2.8729085735721942674e+4,
                             5.2264952788528545610e+3};
  static const double c[] = {1.42343711074968357734e0, 4.63033784615654529590e0,  5.76949722146069140550e0,  3.64784832476320460504e0,
                             1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static const double d[] = {1,
                             2.05319162663775882187e0,
                             1.67638483018380384940e0,
                             6.89767334985100004550e-1,
                             1.48103976427480074590e-1,
                             1.51986665636164571966e-2,
                             5.47593808499534494600e-4,
                             1.05075007164441684324e-9};
  static const double e[] = {6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,  2.96560571828504891230e-1,
                             2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7};
  static const double f[] = {1,
                             5.99832206555887937690e-1,
                             1.36929880922735805310e-1,
                             1.48753612908506148525e-2,
                             7.86869131145613259100e-4,
                             1.84631831751005468180e-5,
                             1.42151175831644588870e-7,
                             2.04426310338993978564e-15};
  double q = p - 0.5;
  if (fabs(q) <= 0.425) {
    double r = 0.180625 - q * q;
    return q * horner(a, 8, r) / horner(b, 8, r);
  }
  double r = sqrt(-log(q < 0 ? p : 1 - p));
  double x = r <= 5 ? horner(c, 8, r - 1.6) / horner(d, 8, r - 1.6) : horner(e, 8, r - 5) / horner(f, 8, r - 5);
  return q < 0 ? -x : x;
}

double special_normal_icdf(double p) {
  if (!(p >= 0 && p <= 1)) return NAN;
  if (p == 0 || p == 1) return p ? INFINITY : -INFINITY;
  if (p > 0.5) return -special_normal_icdf(1 - p); // 1 - p is exact, and the lower tail is where erfc is good
  double x = wichura(p), density = exp(-0.5 * x * x) / sqrt(2 * pi);
  return density > 0 ? x - (0.5 * erfc(-x / sqrt(2)) - p) / density : x;
}

// ---- derivatives of lgamma: recurrence up to 12, then the asymptotic series with Bernoulli numbers

double special_digamma(double x) {
  if (x <= 0 && x == floor(x)) return NAN;
  if (x < 0) {
    double rest = x - round(x); // exact, also near an integer
    return special_digamma(1 - x) - pi / tan(pi * rest);
  }
  double sum = 0;
  for (; x < 12; x++) sum -= 1 / x;
  static const double series[] = {1.0 / 12, -1.0 / 120, 1.0 / 252, -1.0 / 240, 1.0 / 132, -691.0 / 32760, 1.0 / 12, -3617.0 / 8160};
  double z = 1 / (x * x);
  return sum + log(x) - 0.5 / x - z * horner(series, 8, z);
}

double special_trigamma(double x) {
  if (x <= 0 && x == floor(x)) return INFINITY;
  if (x < 0) {
    double s = sin(pi * (x - round(x))) / pi;
    return 1 / (s * s) - special_trigamma(1 - x);
  }
  double sum = 0;
  for (; x < 12; x++) sum += 1 / (x * x);
  static const double series[] = {1.0 / 6, -1.0 / 30, 1.0 / 42, -1.0 / 30, 5.0 / 66, -691.0 / 2730, 7.0 / 6, -3617.0 / 510};
  double z = 1 / (x * x);
  return sum + 1 / x + 0.5 * z + z / x * horner(series, 8, z);
}

// ---- scaled Bessel functions of order n = 0, 1: Abramowitz & Stegun 9.6.10 (all terms positive) and 9.7.1

static double bessel_scaled(int n, double x) {
  double sum = 1, term = 1;
  if (x <= 30) {
    for (int k = 1; term > 1e-18 * sum; k++) sum += term *= x * x / (4.0 * k * (k + n));
    return exp(-x) * sum * (n ? x / 2 : 1);
  }
  for (int k = 1; fabs(term) > 1e-18 && k < 60; k++) {
    double odd = 2 * k - 1;
    sum += term *= -(4.0 * n * n - odd * odd) / (k * 8 * x);
  }
  return sum / sqrt(2 * pi * x);
}

double special_i0e(double x) { return x == x ? bessel_scaled(0, fabs(x)) : x; }

double special_i1e(double x) {
  if (x != x) return x;
  double y = bessel_scaled(1, fabs(x));
  return x < 0 ? -y : y;
}
