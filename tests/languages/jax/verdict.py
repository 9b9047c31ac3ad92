"""Whether a block of the service is what JAX finds, as exactly as the graph's conditioning lets one tell."""

import numpy as np

from oracle import SAMPLES

# Of n independent errors the samples show about sqrt(n), the worst case is n, and graphs have some hundred operations.
FACTOR = 16
# A bound wider than this, relative to the block's largest element, would miss wrong derivatives.
WIDEST = {False: 1e-7, True: 2e-2}
# Unless the block is a residue of rounding, tiny beside the graph's largest value.
RESIDUE = {False: 1e-10, True: 1e-3}
MOST_UNDECIDED = 0.02


def judge(oracle, got, want):
    """For each block (outcome, error over bound, explanation)."""
    if got.keys() != want.keys():
        return {("blocks", "", ""): ("disagree", np.inf, f"{sorted(got)} instead of {sorted(want)}")}
    samples = Samples(oracle)
    types = oracle.element_types()
    largest = max([1.0, *[_largest(v) for v in oracle.case.values]])
    return {k: _block(got[k], want[k], types[k], lambda k=k: samples.of(k), oracle.case.single, largest) for k in want}


class Samples:
    """The oracle's blocks with roundings drawn at random, computed when asked for."""

    def __init__(self, oracle):
        self.oracle = oracle
        self.blocks = None

    def of(self, key):
        if self.blocks is None:
            self.blocks = [self.oracle.blocks(k) for k in range(SAMPLES)]
        return [b[key] for b in self.blocks]


def _largest(values):
    return float(np.max(np.abs(values[np.isfinite(values)]), initial=0)) if values.dtype.kind == "f" else 0.0


def _block(got, want, dtype, samples, single, largest):
    if got.dtype != dtype or got.shape != want.shape:
        return "disagree", np.inf, f"{got.dtype}{got.shape} instead of {dtype}{want.shape}"
    if dtype.kind != "f":
        differs = got != want
        if not differs.any():
            return "agree", 0.0, ""
        return _discrete(differs, want, samples())
    got, want = got.astype(np.float64), want.astype(np.float64)
    finite = np.isfinite(want) & np.isfinite(got)
    differs = ~finite & ~((got == want) | (np.isnan(got) & np.isnan(want)))
    if differs.any():
        return _discrete(differs, want, samples())
    got, want, at = got[finite], want[finite], finite
    if got.size == 0:
        return "agree", 0.0, ""
    error = np.abs(got - want)
    rounding = 2 * np.finfo(dtype).eps * np.abs(want)
    if (error <= rounding).all():
        return "agree", 0.0, ""
    shaken = np.array([s.astype(np.float64)[at] for s in samples()])
    with np.errstate(invalid="ignore"):
        spread = np.max(np.abs(shaken - want), 0)
    spread = np.where(np.isfinite(spread), spread, np.inf)
    bound = FACTOR * spread + rounding
    widest, size = float(np.max(bound)), float(np.max(np.abs(want)))
    why = f"error {np.max(error):.2e}, bound {widest:.2e}, size {size:.2e}"
    residue = widest <= RESIDUE[single] * largest
    if widest > WIDEST[single] * size and not residue:
        return "undecided", 0.0, why
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = float(np.max(np.where(error == 0, 0, error / bound)))
    if ratio <= 1:
        return ("agree, near zero" if widest > WIDEST[single] * size else "agree"), ratio, why
    # An element that cancels may take the error of the block's larger ones.
    ratio = float(np.max(error) / widest)
    return ("agree as a block" if ratio <= 1 else "disagree"), ratio, why


def _discrete(differs, want, samples):
    """Differences of kind (whole numbers, truth, infinity, NaN) where rounding alone may make them decide nothing."""
    may = np.zeros(want.shape, bool)
    for s in samples:
        if want.dtype.kind == "f":
            may |= (np.isfinite(s) != np.isfinite(want)) | (~np.isfinite(s) & (s != want) & ~(np.isnan(s) & np.isnan(want)))
        else:
            may |= s != want
    if may[differs].all():
        return "undecided", 0.0, ""
    return "disagree", np.inf, f"differs in kind at {np.argwhere(differs & ~may)[:3].tolist()}"
