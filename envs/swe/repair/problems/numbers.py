"""Whole numbers."""

from __future__ import annotations

from ..problem import problem


def gcd(a: int, b: int) -> int:
    """Return the greatest common divisor of two integers; it is never negative, and that of two zeros is 0."""
    while b != 0:
        a, b = b, a % b
    return abs(a)


def is_prime(number: int) -> bool:
    """Return whether number is prime."""
    if number < 2:
        return False
    divisor = 2
    while divisor * divisor <= number:
        if number % divisor == 0:
            return False
        divisor += 1
    return True


def primes_up_to(limit: int) -> list[int]:
    """Return the primes up to and including limit, in ascending order."""
    is_composite = [False] * (limit + 1)
    primes = []
    for number in range(2, limit + 1):
        if is_composite[number]:
            continue
        primes.append(number)
        for multiple in range(number * number, limit + 1, number):
            is_composite[multiple] = True
    return primes


def to_base(number: int, base: int) -> str:
    """Write a number that is not negative in a base from 2 to 16, with the digits 0-9 and a-f."""
    if number == 0:
        return "0"
    digits = ""
    while number > 0:
        digits = "0123456789abcdef"[number % base] + digits
        number //= base
    return digits


def digital_root(number: int) -> int:
    """Add up the decimal digits of a number that is not negative, again and again, until one digit is left."""
    while number >= 10:
        total = 0
        while number > 0:
            total += number % 10
            number //= 10
        number = total
    return number


def collatz_steps(number: int) -> int:
    """Return how many steps it takes to come to 1, when an even number is halved and an odd one becomes three
    times itself plus one. A number below 1 is refused with ValueError.
    """
    if number < 1:
        raise ValueError("not positive")
    steps = 0
    while number != 1:
        if number % 2 == 0:
            number //= 2
        else:
            number = 3 * number + 1
        steps += 1
    return steps


def integer_root(number: int) -> int:
    """Return the largest integer whose square is not above number, which is not negative."""
    low = 0
    high = number + 1
    while high - low > 1:
        middle = (low + high) // 2
        if middle * middle <= number:
            low = middle
        else:
            high = middle
    return low


def to_roman(number: int) -> str:
    """Write a number from 1 to 3999 in Roman numerals."""
    values = [1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1]
    symbols = ["M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I"]
    result = ""
    for value, symbol in zip(values, symbols, strict=True):
        while number >= value:
            result += symbol
            number -= value
    return result


def from_roman(text: str) -> int:
    """Read a Roman numeral, in which a letter before one of a higher value is subtracted."""
    values = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
    total = 0
    for index in range(len(text)):
        value = values[text[index]]
        if index + 1 < len(text) and value < values[text[index + 1]]:
            total -= value
        else:
            total += value
    return total


def power_mod(base: int, exponent: int, modulus: int) -> int:
    """Return base to the power of exponent, which is not negative, modulo modulus."""
    result = 1
    base = base % modulus
    while exponent > 0:
        if exponent % 2 == 1:
            result = result * base % modulus
        base = base * base % modulus
        exponent //= 2
    return result % modulus


def prime_factors(number: int) -> list[int]:
    """Return the prime factors of a positive number in ascending order, each as often as it divides the number."""
    factors = []
    divisor = 2
    while divisor * divisor <= number:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    if number > 1:
        factors.append(number)
    return factors


def pascal_row(row: int) -> list[int]:
    """Return a row of Pascal's triangle; row 0 is [1]."""
    values = [1]
    for k in range(row):
        values.append(values[k] * (row - k) // (k + 1))
    return values


def luhn_valid(digits: str) -> bool:
    """Check a card number by Luhn's rule: from the right, every second digit is doubled, and 9 is taken from what
    is above 9; the sum of all must be a multiple of 10. A text with no digit in it is not valid.
    """
    if not digits:
        return False
    total = 0
    for position, char in enumerate(reversed(digits)):
        value = int(char)
        if position % 2 == 1:
            value *= 2
            if value > 9:
                value -= 9
        total += value
    return total % 10 == 0


PROBLEMS = (
    problem(
        gcd,
        visible="""
            common: gcd(12, 18) == 6
            coprime: gcd(7, 9) == 1
            zero: gcd(0, 5) == 5
            multiple: gcd(20, 5) == 5
            negative: gcd(-8, 12) == 4
        """,
        hidden="""
            both_zero: gcd(0, 0) == 0
            turned: gcd(18, 12) == 6
            zero_last: gcd(9, 0) == 9
            both_negative: gcd(-6, -4) == 2
            large: gcd(1071, 462) == 21
        """,
    ),
    problem(
        is_prime,
        visible="""
            two: is_prime(2) is True
            small: is_prime(7) is True
            even: is_prime(8) is False
            square: is_prime(9) is False
            one: is_prime(1) is False
        """,
        hidden="""
            zero: is_prime(0) is False
            square_of_prime: is_prime(49) is False
            large: is_prime(97) is True
            product: is_prime(91) is False
            four: is_prime(4) is False
        """,
    ),
    problem(
        primes_up_to,
        visible="""
            ten: primes_up_to(10) == [2, 3, 5, 7]
            included: primes_up_to(5) == [2, 3, 5]
            two: primes_up_to(2) == [2]
            none: primes_up_to(1) == []
        """,
        hidden="""
            thirty: primes_up_to(30) == [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]
            square: primes_up_to(9) == [2, 3, 5, 7]
            twenty_five: primes_up_to(25) == [2, 3, 5, 7, 11, 13, 17, 19, 23]
            zero: primes_up_to(0) == []
        """,
    ),
    problem(
        to_base,
        visible="""
            binary: to_base(10, 2) == "1010"
            zero: to_base(0, 2) == "0"
            hex: to_base(255, 16) == "ff"
            one_digit: to_base(7, 8) == "7"
            decimal: to_base(120, 10) == "120"
        """,
        hidden="""
            base: to_base(3, 3) == "10"
            one: to_base(1, 2) == "1"
            hex_mixed: to_base(2748, 16) == "abc"
            octal: to_base(64, 8) == "100"
        """,
    ),
    problem(
        digital_root,
        visible="""
            two_digits: digital_root(38) == 2
            one_digit: digital_root(7) == 7
            ten: digital_root(10) == 1
            zero: digital_root(0) == 0
            three_digits: digital_root(493) == 7
        """,
        hidden="""
            nine: digital_root(9) == 9
            nines: digital_root(999) == 9
            eleven: digital_root(11) == 2
            long: digital_root(132189) == 6
        """,
    ),
    problem(
        collatz_steps,
        visible="""
            one: collatz_steps(1) == 0
            two: collatz_steps(2) == 1
            six: collatz_steps(6) == 8
            three: collatz_steps(3) == 7
            zero: raises ValueError: collatz_steps(0)
        """,
        hidden="""
            sixteen: collatz_steps(16) == 4
            seven: collatz_steps(7) == 16
            negative: raises ValueError: collatz_steps(-3)
            nine: collatz_steps(9) == 19
        """,
    ),
    problem(
        integer_root,
        visible="""
            square: integer_root(16) == 4
            between: integer_root(20) == 4
            zero: integer_root(0) == 0
            one: integer_root(1) == 1
            below_square: integer_root(24) == 4
        """,
        hidden="""
            two: integer_root(2) == 1
            three: integer_root(3) == 1
            four: integer_root(4) == 2
            large: integer_root(10200) == 100
            large_square: integer_root(10201) == 101
        """,
    ),
    problem(
        to_roman,
        visible="""
            three: to_roman(3) == "III"
            four: to_roman(4) == "IV"
            nine: to_roman(9) == "IX"
            fifty_eight: to_roman(58) == "LVIII"
            year: to_roman(1994) == "MCMXCIV"
        """,
        hidden="""
            forty: to_roman(40) == "XL"
            five_hundred: to_roman(500) == "D"
            largest: to_roman(3999) == "MMMCMXCIX"
            one: to_roman(1) == "I"
            four_hundred: to_roman(444) == "CDXLIV"
        """,
    ),
    problem(
        from_roman,
        visible="""
            three: from_roman("III") == 3
            four: from_roman("IV") == 4
            fifty_eight: from_roman("LVIII") == 58
            year: from_roman("MCMXCIV") == 1994
            one: from_roman("X") == 10
        """,
        hidden="""
            nine: from_roman("IX") == 9
            empty: from_roman("") == 0
            ninety: from_roman("XC") == 90
            largest: from_roman("MMMCMXCIX") == 3999
            six: from_roman("VI") == 6
        """,
    ),
    problem(
        power_mod,
        visible="""
            small: power_mod(2, 5, 100) == 32
            reduced: power_mod(3, 4, 5) == 1
            zero_exponent: power_mod(7, 0, 5) == 1
            odd: power_mod(2, 3, 7) == 1
            base_above: power_mod(10, 2, 7) == 2
        """,
        hidden="""
            one_modulus: power_mod(5, 0, 1) == 0
            long: power_mod(3, 200, 13) == 9
            one: power_mod(9, 1, 100) == 9
            zero_base: power_mod(0, 4, 7) == 0
            six: power_mod(2, 6, 1000) == 64
        """,
    ),
    problem(
        prime_factors,
        visible="""
            twelve: prime_factors(12) == [2, 2, 3]
            prime: prime_factors(13) == [13]
            one: prime_factors(1) == []
            square: prime_factors(9) == [3, 3]
            large: prime_factors(84) == [2, 2, 3, 7]
        """,
        hidden="""
            two: prime_factors(2) == [2]
            power: prime_factors(32) == [2, 2, 2, 2, 2]
            two_primes: prime_factors(77) == [7, 11]
            four: prime_factors(4) == [2, 2]
        """,
    ),
    problem(
        pascal_row,
        visible="""
            top: pascal_row(0) == [1]
            first: pascal_row(1) == [1, 1]
            second: pascal_row(2) == [1, 2, 1]
            fourth: pascal_row(4) == [1, 4, 6, 4, 1]
        """,
        hidden="""
            third: pascal_row(3) == [1, 3, 3, 1]
            seventh: pascal_row(7) == [1, 7, 21, 35, 35, 21, 7, 1]
            length: len(pascal_row(12)) == 13
        """,
    ),
    problem(
        luhn_valid,
        visible="""
            valid: luhn_valid("79927398713") is True
            wrong_digit: luhn_valid("79927398710") is False
            empty: luhn_valid("") is False
            zero: luhn_valid("0") is True
            doubled: luhn_valid("18") is True
        """,
        hidden="""
            one_digit: luhn_valid("5") is False
            long: luhn_valid("4539578763621486") is True
            swapped: luhn_valid("81") is False
            nine: luhn_valid("91") is True
            five_doubled: luhn_valid("59") is True
        """,
    ),
)
"""The problems of this module."""
