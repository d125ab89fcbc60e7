"""Numbers as words: the one way in which the command line, captions, tables and notes write them.

Three significant digits; whole numbers below a million in full; powers of ten below a thousandth
and from a million on; an interval to the same place as what it is of. `extensions/src/ui/format.ts`
does the same, and `extensions/tests/numbers.json` holds both to it.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Context, Decimal

DIGITS = 3
_LEAST, _MOST = 1e-3, 1e6  # outside of which powers of ten are written
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = DIGITS) -> str:
    """A number to three significant digits.

    >>> number(0.34567), number(70000), number(-0.5), number(0.00012), number(1e9)
    ('0.346', '70,000', '−0.5', '1.2×10⁻⁴', '10⁹')
    >>> number(4321), number(4321.5), number(float("inf")), number(float("nan"))
    ('4,321', '4,320', '∞', '–')
    """
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    rounded = Context(prec=digits, rounding=ROUND_HALF_UP).create_decimal(Decimal(float(value)))
    if float(value).is_integer() and abs(value) < _MOST:
        text = f"{int(value):,}"
    elif -3 <= rounded.adjusted() < 6:
        text = _stripped(f"{rounded:,f}")
    else:
        power = rounded.adjusted()
        head = _stripped(f"{rounded.scaleb(-power):f}")
        text = f"{head}×{_power(power)}" if head not in ("1", "-1") else head[:-1] + _power(power)
    return text.replace("-", "−")


def with_interval(value: float, half: float) -> str:
    """A number with the half width of its interval, both to the same place.

    To the third digit of the larger one, or as far as the interval needs to show at all.

    >>> with_interval(0.3, 0.0357), with_interval(93.833, 0.712), with_interval(1.58, 0.00123)
    ('0.300 ± 0.036', '93.8 ± 0.7', '1.580 ± 0.001')
    >>> with_interval(767432229072339.25, 1.2e15)
    '(0.77 ± 1.20)×10¹⁵'
    """
    size = max(abs(value), abs(half))
    if not (math.isfinite(value) and math.isfinite(half)) or size == 0:
        return number(value)
    power = _order(size)
    place = power - DIGITS + 1
    if half and float(_at(half, place)) == 0:
        place = _order(abs(half))
    if _LEAST <= size < _MOST:
        return f"{_written(value, place)} ± {_written(half, place)}"
    unit = float(f"1e{power}")
    scaled = (_written(part / unit, place - power) for part in (value, half))
    return f"({' ± '.join(scaled)})×{_power(power)}"


def _stripped(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _order(size: float) -> int:
    """The power of ten of its first digit, once rounded."""
    return int(f"{size:.{DIGITS - 1}e}".partition("e")[2])


def _at(value: float, place: int) -> Decimal:
    return Decimal(float(value)).quantize(Decimal(1).scaleb(place), ROUND_HALF_UP)


def _written(value: float, place: int) -> str:
    rounded = _at(value, place)
    return f"{abs(rounded) if rounded == 0 else rounded:,f}".replace("-", "−")


def _power(exponent: int) -> str:
    return f"10{str(exponent).translate(_SUPERSCRIPTS)}"
