"""JSON in bytes: where a value ends, and what a number is. Whatever is not plainly right is refused.

A text is bytes that are followed by zeros; a zero is right nowhere, so nothing looks further.
Each kernel is told where to begin and says where it ended, or `REFUSED`.
"""

from __future__ import annotations

import math

import numpy as np

from drivetrain.profile.read.scan.kernel import eight_bytes, kernel, num_low_zeros
from drivetrain.profile.read.scan.memory import REFUSED, Text

QUOTE, BACKSLASH, COMMA, COLON, MINUS, ZERO = (ord(each) for each in '"\\,:-0')
_PLUS, _POINT, _NINE, _UNICODE = (ord(each) for each in "+.9u")
OPEN_OBJECT, CLOSE_OBJECT, _OPEN_ARRAY, _CLOSE_ARRAY = (ord(each) for each in "{}[]")
_SPACE, _TAB, _NEWLINE, _RETURN = (ord(each) for each in " \t\n\r")
_TRUE, _FALSE, NULL = (int.from_bytes(each, "little") for each in (b"true", b"alse", b"null"))
_F, _E = ord("f"), ord("e")
_SMALL = 0x20
"""Makes a letter small."""

_MOST_DEPTH = 60
_MOST_DIGITS = 18
_EXACT = 2**53
_TENS = np.array([10**power for power in range(_MOST_DIGITS + 1)])
_MOST_DIGITS_OF_EXPONENT = 2
_MOST_DIGITS_OF_FRACTION = 9
"""Of numbers whose digits, as an integer, a float cannot hold."""

_ONES = np.uint64(0x0101010101010101)
_HIGHEST = np.uint64(0x8080808080808080)
_QUOTES, _BACKSLASHES, _SPACES = (np.uint64(code * 0x0101010101010101) for code in (QUOTE, BACKSLASH, _SPACE))
_IS_ESCAPE = np.array([chr(code) in '"\\/bfnrt' for code in range(256)])
_HEX = np.array([int(chr(code), 16) if chr(code) in "0123456789abcdefABCDEF" else -1 for code in range(256)], np.int8)


@kernel
def after_space(text: Text, at: int) -> int:
    """Where something else than space stands."""
    while text[at] <= _SPACE and (
        text[at] == _SPACE or text[at] == _NEWLINE or text[at] == _RETURN or text[at] == _TAB
    ):
        at += 1
    return at


@kernel
def end_of_plain(text: Text, at: int) -> int:
    """Where the first byte stands that does not stand for itself.

    Source: "Determine if a word has a byte less than n", S. E. Anderson, Bit Twiddling Hacks; exact for the first one.
    """
    while True:
        word = eight_bytes(text, at)
        quote, backslash = word ^ _QUOTES, word ^ _BACKSLASHES
        found = ((quote - _ONES) & ~quote | (backslash - _ONES) & ~backslash | (word - _SPACES) & ~word) & _HIGHEST
        if found:
            return at + int(num_low_zeros(found) >> 3)
        at += 8


@kernel
def _is_character(text: Text, at: int) -> bool:
    """Four hexadecimal digits that are not half a character."""
    first, second, third, fourth = _HEX[text[at]], _HEX[text[at + 1]], _HEX[text[at + 2]], _HEX[text[at + 3]]
    return first >= 0 and second >= 0 and third >= 0 and fourth >= 0 and not (first == 13 and second >= 8)


@kernel
def end_of_string(text: Text, at: int) -> int:
    """Where the quote stands that ends a string, told the place after the one that begins it."""
    while True:
        at = end_of_plain(text, at)
        if text[at] == QUOTE:
            return at
        if text[at] != BACKSLASH:
            return REFUSED
        if _IS_ESCAPE[text[at + 1]]:
            at += 2
        elif text[at + 1] == _UNICODE and _is_character(text, at + 2):
            at += 6
        else:
            return REFUSED


@kernel
def word_at(text: Text, at: int) -> int:
    """Four bytes as a number, such as `NULL`."""
    word = np.int64(0)
    for place in range(3, -1, -1):
        word = word << 8 | np.int64(text[at + place])
    return int(word)


@kernel
def end_of_digits(text: Text, at: int) -> int:
    """Where the first byte stands that is no digit."""
    while ZERO <= text[at] <= _NINE:
        at += 1
    return at


@kernel
def end_of_integer(text: Text, at: int) -> int:
    """Where the integer that begins a number ends."""
    if text[at] == MINUS:
        at += 1
    end = end_of_digits(text, at)
    return REFUSED if end == at or (text[at] == ZERO and end > at + 1) else end


@kernel
def _end_of_number(text: Text, at: int) -> int:
    at = end_of_integer(text, at)
    if at != REFUSED and text[at] == _POINT:
        end = end_of_digits(text, at + 1)
        at = REFUSED if end == at + 1 else end
    if at != REFUSED and text[at] | _SMALL == _E:
        at += 2 if text[at + 1] == MINUS or text[at + 1] == _PLUS else 1
        end = end_of_digits(text, at)
        at = end if 1 <= end - at <= _MOST_DIGITS_OF_EXPONENT else REFUSED
    return at


@kernel
def integer(text: Text, begin: int, end: int) -> int:
    """The value of an integer of not too many digits."""
    value = 0
    for at in range(begin + (text[begin] == MINUS), end):
        value = 10 * value + (text[at] - ZERO)
    return -value if text[begin] == MINUS else value


@kernel
def _nearest(whole: int, behind: int, scale: int) -> float:
    """The float nearest to whole + behind / scale, of two the even one.

    `whole` is moved up to where a float's last digit is 1, and what is behind it with it: by at most 30 digits of two,
    since all digits together are more than a float holds and at most nine of ten are behind.
    """
    moved = 0
    while whole < _EXACT >> 1:
        whole <<= 1
        moved += 1
    behind <<= moved
    whole += behind // scale
    rest = 2 * (behind % scale)
    if rest > scale or (rest == scale and whole & 1):
        whole += 1
    return whole / (1 << moved)


@kernel
def number(text: Text, begin: int) -> tuple[float, int]:
    """The float that is nearest to a decimal number without exponent, and where the number ends."""
    end = end_of_integer(text, begin)
    if end == REFUSED:
        return math.nan, REFUSED
    first = begin + (text[begin] == MINUS)
    num_digits = end - first
    whole = 0
    for at in range(first, end):
        whole = 10 * whole + (text[at] - ZERO)
    num_behind = 0
    behind = 0
    if text[end] == _POINT:
        begin_behind = end + 1
        end = end_of_digits(text, begin_behind)
        num_behind = end - begin_behind
        if num_behind == 0:
            return math.nan, REFUSED
        for at in range(begin_behind, end):
            behind = 10 * behind + (text[at] - ZERO)
    if num_digits + num_behind > _MOST_DIGITS or text[end] | _SMALL == _E:
        return math.nan, REFUSED
    scale = _TENS[num_behind]
    digits = whole * scale + behind
    if digits < _EXACT or num_behind == 0:
        value = digits / scale  # both exact, or one of them 1: rounded once
    elif num_behind <= _MOST_DIGITS_OF_FRACTION and whole < _EXACT:
        value = _nearest(whole, behind, scale)
    else:
        return math.nan, REFUSED
    return (-value if text[begin] == MINUS else value), end


@kernel
def _after_key(text: Text, at: int) -> int:
    """Where the value of a member begins."""
    if text[at] != QUOTE:
        return REFUSED
    at = end_of_string(text, at + 1)
    if at == REFUSED:
        return REFUSED
    at = after_space(text, at + 1)
    return after_space(text, at + 1) if text[at] == COLON else REFUSED


@kernel
def _end_of_scalar(text: Text, at: int) -> int:
    code = text[at]
    if code == QUOTE:
        at = end_of_string(text, at + 1)
        return REFUSED if at == REFUSED else at + 1
    if code == MINUS or ZERO <= code <= _NINE:
        return _end_of_number(text, at)
    word = word_at(text, at)
    if word in (_TRUE, NULL):
        return at + 4
    if code == _F and word_at(text, at + 1) == _FALSE:
        return at + 5
    return REFUSED


@kernel
def end_of_value(text: Text, at: int) -> int:
    """Where any value ends."""
    depth = 0
    objects = 0  # a digit of two for each that is open: 1 is an object, 0 an array
    while True:
        code = text[at]
        if code in (OPEN_OBJECT, _OPEN_ARRAY):
            is_object = 1 if code == OPEN_OBJECT else 0
            at = after_space(text, at + 1)
            if text[at] == (CLOSE_OBJECT if is_object else _CLOSE_ARRAY):
                at += 1
            elif depth == _MOST_DEPTH:
                return REFUSED
            else:
                objects = objects << 1 | is_object
                depth += 1
                if is_object:
                    at = _after_key(text, at)
                    if at == REFUSED:
                        return REFUSED
                continue
        else:
            at = _end_of_scalar(text, at)
            if at == REFUSED:
                return REFUSED
        while depth:
            at = after_space(text, at)
            if text[at] == COMMA:
                at = after_space(text, at + 1)
                if objects & 1:
                    at = _after_key(text, at)
                    if at == REFUSED:
                        return REFUSED
                break
            if text[at] != (CLOSE_OBJECT if objects & 1 else _CLOSE_ARRAY):
                return REFUSED
            at += 1
            depth -= 1
            objects >>= 1
        if depth == 0:
            return at
