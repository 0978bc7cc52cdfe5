// The functions behind builtins.def. Inside the core.
#ifndef HGM_ELAB_BUILTIN_H
#define HGM_ELAB_BUILTIN_H

#include "lang/elab_core.h"

BuiltinMake builtin_component, builtin_pair, builtin_tan, builtin_atan, builtin_logit, builtin_normal_cdf, builtin_clamp, builtin_wrap;
BuiltinMake builtin_reduce, builtin_cumsum, builtin_concat, builtin_reshape, builtin_flatten, builtin_transpose, builtin_len;
BuiltinMake builtin_range, builtin_ones, builtin_eye, builtin_diagonal, builtin_triangle, builtin_einsum, builtin_triangular_inverse;
BuiltinMake builtin_windows, builtin_spread_windows, builtin_pad, builtin_pad_same, builtin_crop_to;
BuiltinMake builtin_neighbours, builtin_bin, builtin_one_hot, builtin_argmax, builtin_order, builtin_inverse_order;
BuiltinMake builtin_count, builtin_first;
BuiltinMake builtin_p4, builtin_subjettiness, builtin_training, builtin_counter, builtin_circular, builtin_unroll, builtin_physical, builtin_weight_of,
    builtin_batch, builtin_judged, builtin_running, builtin_iterated;
BuiltinMake builtin_grad, builtin_jacobian, builtin_law, builtin_draw, builtin_log_prob, builtin_kl, builtin_entropy, builtin_inverted, builtin_in_turn;

#endif
