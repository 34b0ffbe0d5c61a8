"""What a reward program may name: the functions of torch and math that only compute, and a few builtins.

An allow-list, so that what torch adds tomorrow stays out until someone has looked at it. Left out on purpose: all that
reads or writes files, runs code, changes state shared by others (``manual_seed``, ``set_*``), draws random numbers,
leaves memory uninitialised (``empty``), writes in place (``*_``, ``out=``), or brings values back to Python
(``item``, ``tolist``, ``numpy``), where a batch of worlds could no longer be told apart.

Only data: importing it loads no torch, so that the static check runs anywhere.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ELEMENTWISE = _words(
    """
    abs absolute acos acosh add addcdiv addcmul arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin asinh atan
    atan2 atanh bitwise_and bitwise_not bitwise_or bitwise_xor ceil clamp clamp_max clamp_min clip copysign cos cosh
    deg2rad div divide eq erf erfc exp exp2 expm1 fix float_power floor floor_divide fmax fmin fmod frac ge greater
    greater_equal gt heaviside hypot isclose isfinite isinf isnan le less less_equal lerp log log10 log1p log2 logaddexp
    logaddexp2 logical_and logical_not logical_or logical_xor logit lt maximum minimum mul multiply nan_to_num ne neg
    negative not_equal positive pow rad2deg reciprocal remainder round rsqrt sgn sigmoid sign signbit sin sinc sinh
    softmax log_softmax sqrt square sub subtract tan tanh true_divide trunc where xlogy
    """
)
"""Of torch and of tensors."""

REDUCTIONS = _words(
    """
    all allclose amax amin aminmax any argmax argmin argsort count_nonzero cummax cummin cumprod cumsum diff dist equal
    logcumsumexp logsumexp max mean median min nanmean nanmedian nansum norm prod quantile nanquantile sort std sum topk
    trapezoid trapz unique var
    """
)
"""Of torch and of tensors."""

SHAPING = _words(
    """
    broadcast_to chunk clone concat diag diag_embed diagonal flatten flip gather index_select masked_fill masked_select
    movedim moveaxis narrow nonzero numel permute repeat_interleave reshape roll rot90 scatter select split squeeze
    swapaxes swapdims t take take_along_dim tile transpose tril triu unbind unflatten unsqueeze
    """
)
"""Of torch and of tensors."""

PRODUCTS = _words(
    "addmm addmv baddbmm bmm cdist cross det dot einsum inner inverse kron matmul mm mv outer tensordot trace vdot"
)
"""Of torch and, but for einsum and tensordot, of tensors."""

TORCH_ONLY = _words(
    """
    arange as_tensor atleast_1d atleast_2d atleast_3d block_diag broadcast_tensors bucketize cartesian_prod cat
    column_stack concatenate cosine_similarity dstack eye full full_like hstack histc linspace logspace meshgrid ones
    ones_like pairwise_distance relu scalar_tensor searchsorted stack tensor vander vstack zeros zeros_like
    is_tensor finfo iinfo no_grad device Size Tensor FloatTensor
    bfloat16 bool double float float16 float32 float64 half int int8 int16 int32 int64 long short uint8 dtype
    e inf nan pi
    """
)

TORCH = ELEMENTWISE | REDUCTIONS | SHAPING | PRODUCTS | TORCH_ONLY

LINALG = _words(
    """
    cross det diagonal eigvalsh inv matmul matrix_norm matrix_power multi_dot norm pinv solve slogdet svdvals
    tensorsolve vecdot vector_norm
    """
)

SPECIAL = _words(
    """entr erf erfc expit exp2 expm1 log1p logit logsumexp sinc softmax log_softmax xlog1py xlogy
    """
)

FUNCTIONAL = _words(
    """
    binary_cross_entropy binary_cross_entropy_with_logits celu cosine_similarity elu gelu glu hardshrink hardsigmoid
    hardswish hardtanh huber_loss l1_loss leaky_relu log_softmax logsigmoid mish mse_loss normalize one_hot pad
    pairwise_distance relu relu6 selu sigmoid silu smooth_l1_loss softmax softmin softplus softshrink softsign tanh
    tanhshrink
    """
)

WRITES_ARGUMENT = {
    "torch.norm": 4,
    "torch.tensordot": 3,
    "torch.nn.functional.celu": 2,
    "torch.nn.functional.elu": 2,
    "torch.nn.functional.hardsigmoid": 1,
    "torch.nn.functional.hardswish": 1,
    "torch.nn.functional.hardtanh": 3,
    "torch.nn.functional.leaky_relu": 2,
    "torch.nn.functional.mish": 1,
    "torch.nn.functional.normalize": 4,
    "torch.nn.functional.relu": 1,
    "torch.nn.functional.relu6": 1,
    "torch.nn.functional.selu": 1,
    "torch.nn.functional.silu": 1,
}
"""Position of the argument ``inplace`` or ``out`` of those functions that take it by position too."""

MATH = _words(
    """
    acos acosh asin asinh atan atan2 atanh ceil copysign cos cosh degrees dist e erf erfc exp expm1 fabs floor fmod
    fsum hypot inf isclose isfinite isinf isnan log log10 log1p log2 nan pi pow prod radians remainder sin sinh sqrt tan
    tanh tau trunc
    """
)
"""Without ``factorial``, ``comb`` and ``perm``: their results need not fit in memory."""

TYPING = _words(
    """Any Callable Dict Final Iterable List Literal Mapping Optional Sequence Set Tuple Union cast
    """
)

MODULES: dict[str, frozenset[str]] = {
    "torch": TORCH,
    "torch.linalg": LINALG,
    "torch.special": SPECIAL,
    "torch.nn": frozenset(),
    "torch.nn.functional": FUNCTIONAL,
    "math": MATH,
    "typing": TYPING,
}
"""What may be imported, and the names of each module that may be used."""

PRESET_IMPORTS = {"torch": "torch", "math": "math", "F": "torch.nn.functional"}
"""Module names that a program may use without importing them, as models often leave the imports out."""

PRESET_NAMES = _words("Tensor Any Callable Dict List Optional Sequence Tuple Union")
"""Names for annotations that a program may use without importing them."""

ATTRIBUTES = (
    ELEMENTWISE
    | REDUCTIONS
    | SHAPING
    | (PRODUCTS - {"einsum", "tensordot"})
    | _words(
        """
        T mT bool byte contiguous detach device dim double dtype expand expand_as eps float half index_fill int
        is_floating_point long ndim ndimension new_full new_ones new_tensor new_zeros relu repeat reshape_as shape size
        softmax sum_to_size tiny to type type_as unfold view view_as
        """
    )
)
"""Attributes and methods that only compute, of tensors (and ``eps`` and ``tiny`` of ``torch.finfo``)."""

CONTAINER_READS = _words("copy count get index items keys values")
CONTAINER_WRITES = _words("append clear extend insert pop remove reverse setdefault update")
"""Allowed only on a list or dict that the same function has made."""

BUILTINS = _words(
    """
    abs all any bool dict enumerate float int isinstance len list max min range reversed round sorted str sum tuple
    zip
    """
)

FRESH_CALLS = _words(
    """
    clone copy dict full full_like list new_full new_ones new_tensor new_zeros ones ones_like sorted tensor zeros
    zeros_like
    """
)
"""Calls whose result shares no memory with an input, so that writing to it is safe."""

IGNORED_DECORATORS = _words(
    """
    torch.jit.script torch.jit.export torch.jit.ignore torch.compile torch.no_grad torch.inference_mode staticmethod
    """
)
"""Decorators that change nothing about what a program computes; they are dropped."""
