"""Text."""

from __future__ import annotations

from ..problem import problem


def run_length_encode(text: str) -> str:
    """Write each run of the same character as the character and the run's length: "aab" becomes "a2b1"."""
    result = ""
    index = 0
    while index < len(text):
        end = index
        while end < len(text) and text[end] == text[index]:
            end += 1
        result += text[index] + str(end - index)
        index = end
    return result


def run_length_decode(code: str) -> str:
    """Undo a run-length code in which each character is followed by its count, which may have several digits."""
    result = ""
    index = 0
    while index < len(code):
        char = code[index]
        index += 1
        count = 0
        while index < len(code) and code[index].isdigit():
            count = count * 10 + int(code[index])
            index += 1
        result += char * count
    return result


def caesar(text: str, shift: int) -> str:
    """Move each letter a-z by shift places in the alphabet, round and round; all other characters stay."""
    result = ""
    for char in text:
        if "a" <= char <= "z":
            position = (ord(char) - ord("a") + shift) % 26
            result += chr(ord("a") + position)
        else:
            result += char
    return result


def is_palindrome(text: str) -> bool:
    """Return whether the letters and digits of text read the same backwards; case and all other characters do not
    matter.
    """
    i = 0
    j = len(text) - 1
    while i < j:
        if not text[i].isalnum():
            i += 1
        elif not text[j].isalnum():
            j -= 1
        elif text[i].lower() != text[j].lower():
            return False
        else:
            i += 1
            j -= 1
    return True


def edit_distance(a: str, b: str) -> int:
    """Return the smallest number of insertions, deletions and replacements of one character that turn a into b."""
    previous = list(range(len(b) + 1))
    for i, left in enumerate(a):
        current = [i + 1]
        for j, right in enumerate(b):
            if left == right:
                current.append(previous[j])
            else:
                current.append(1 + min(previous[j], previous[j + 1], current[j]))
        previous = current
    return previous[-1]


def common_prefix(words: list[str]) -> str:
    """Return the longest text with which all words begin; an empty one if there are no words."""
    if not words:
        return ""
    prefix = words[0]
    for word in words[1:]:
        while not word.startswith(prefix):
            prefix = prefix[:-1]
    return prefix


def wrap_words(text: str, width: int) -> list[str]:
    """Break text at its blanks into lines of at most width characters, each with as many words as fit; a word that
    is longer has a line of its own.
    """
    lines = []
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = line + " " + word if line else word
    if line:
        lines.append(line)
    return lines


def count_occurrences(text: str, part: str) -> int:
    """Count at how many places part, which is not empty, stands in text; overlapping ones count too."""
    count = 0
    start = text.find(part)
    while start != -1:
        count += 1
        start = text.find(part, start + 1)
    return count


def camel_to_snake(name: str) -> str:
    """Turn a name like "someName" into "some_name": an underscore before each capital but the first character's,
    and all in lower case.
    """
    result = ""
    for index, char in enumerate(name):
        if char.isupper() and index > 0:
            result += "_"
        result += char.lower()
    return result


def group_digits(number: int) -> str:
    """Write an integer with a comma before each group of three digits: -1234567 becomes "-1,234,567"."""
    digits = str(abs(number))
    groups = []
    while len(digits) > 3:
        groups.append(digits[-3:])
        digits = digits[:-3]
    groups.append(digits)
    text = ",".join(reversed(groups))
    return "-" + text if number < 0 else text


PROBLEMS = (
    problem(
        run_length_encode,
        visible="""
            runs: run_length_encode("aaabb") == "a3b2"
            singles: run_length_encode("abc") == "a1b1c1"
            empty: run_length_encode("") == ""
            one: run_length_encode("z") == "z1"
            again: run_length_encode("aba") == "a1b1a1"
        """,
        hidden="""
            long: run_length_encode("xxxxxxxxxxxx") == "x12"
            last_single: run_length_encode("aab") == "a2b1"
            blanks: run_length_encode("  -") == " 2-1"
        """,
    ),
    problem(
        run_length_decode,
        visible="""
            runs: run_length_decode("a3b2") == "aaabb"
            two_digits: run_length_decode("x12") == "xxxxxxxxxxxx"
            empty: run_length_decode("") == ""
            one: run_length_decode("z1") == "z"
            zero: run_length_decode("a0b1") == "b"
        """,
        hidden="""
            ten: run_length_decode("q10") == "qqqqqqqqqq"
            mixed: run_length_decode("a1b11c2") == "abbbbbbbbbbbcc"
            signs: run_length_decode("-2+1") == "--+"
        """,
    ),
    problem(
        caesar,
        visible="""
            shift: caesar("abc", 2) == "cde"
            round: caesar("xyz", 3) == "abc"
            others_stay: caesar("a-B c", 1) == "b-B d"
            back: caesar("bcd", -1) == "abc"
            nothing: caesar("", 5) == ""
        """,
        hidden="""
            whole_alphabet: caesar("hello", 26) == "hello"
            far: caesar("a", 51) == "z"
            back_round: caesar("a", -1) == "z"
            ends: caesar("az", 1) == "ba"
        """,
    ),
    problem(
        is_palindrome,
        visible="""
            word: is_palindrome("level") is True
            not_one: is_palindrome("robot") is False
            case: is_palindrome("Anna") is True
            sentence: is_palindrome("No lemon, no melon!") is True
            empty: is_palindrome("") is True
        """,
        hidden="""
            even_not: is_palindrome("ab") is False
            signs_only: is_palindrome(".,") is True
            digits: is_palindrome("1 2 2 1") is True
            middle_differs: is_palindrome("abca") is False
            leading_signs: is_palindrome("--ab-a") is True
        """,
    ),
    problem(
        edit_distance,
        visible="""
            replaced: edit_distance("cat", "cut") == 1
            inserted: edit_distance("cat", "cart") == 1
            deleted: edit_distance("cart", "art") == 1
            equal: edit_distance("same", "same") == 0
            from_empty: edit_distance("", "abc") == 3
        """,
        hidden="""
            kitten: edit_distance("kitten", "sitting") == 3
            to_empty: edit_distance("abcd", "") == 4
            both_empty: edit_distance("", "") == 0
            turned: edit_distance("ab", "ba") == 2
            all: edit_distance("abc", "xyz") == 3
        """,
    ),
    problem(
        common_prefix,
        visible="""
            several: common_prefix(["flower", "flow", "flight"]) == "fl"
            none: common_prefix(["dog", "car"]) == ""
            one: common_prefix(["alone"]) == "alone"
            empty: common_prefix([]) == ""
            equal: common_prefix(["a", "a"]) == "a"
        """,
        hidden="""
            first_longest: common_prefix(["interview", "inter", "internal"]) == "inter"
            empty_word: common_prefix(["abc", ""]) == ""
            later_shorter: common_prefix(["aaa", "aa", "aab"]) == "aa"
        """,
    ),
    problem(
        wrap_words,
        visible="""
            two_lines: wrap_words("the quick brown", 9) == ["the quick", "brown"]
            fits: wrap_words("a b", 10) == ["a b"]
            long_word: wrap_words("a elephant b", 3) == ["a", "elephant", "b"]
            empty: wrap_words("", 5) == []
            exact: wrap_words("ab cd", 5) == ["ab cd"]
        """,
        hidden="""
            one_less: wrap_words("ab cd", 4) == ["ab", "cd"]
            blanks: wrap_words("  a   b ", 3) == ["a b"]
            many: wrap_words("one two three four", 8) == ["one two", "three", "four"]
            one_word: wrap_words("word", 1) == ["word"]
        """,
    ),
    problem(
        count_occurrences,
        visible="""
            two: count_occurrences("banana", "an") == 2
            overlapping: count_occurrences("aaaa", "aa") == 3
            none: count_occurrences("abc", "x") == 0
            at_start: count_occurrences("abab", "a") == 2
        """,
        hidden="""
            whole: count_occurrences("abc", "abc") == 1
            empty_text: count_occurrences("", "a") == 0
            at_end: count_occurrences("xxy", "y") == 1
            longer_part: count_occurrences("ab", "abc") == 0
        """,
    ),
    problem(
        camel_to_snake,
        visible="""
            two_words: camel_to_snake("someName") == "some_name"
            first_capital: camel_to_snake("SomeName") == "some_name"
            lower: camel_to_snake("plain") == "plain"
            empty: camel_to_snake("") == ""
        """,
        hidden="""
            neighbours: camel_to_snake("aBC") == "a_b_c"
            one: camel_to_snake("A") == "a"
            second: camel_to_snake("xY") == "x_y"
            digits: camel_to_snake("area51Map") == "area51_map"
        """,
    ),
    problem(
        group_digits,
        visible="""
            thousand: group_digits(1000) == "1,000"
            small: group_digits(999) == "999"
            million: group_digits(1234567) == "1,234,567"
            negative: group_digits(-1234) == "-1,234"
            zero: group_digits(0) == "0"
        """,
        hidden="""
            negative_small: group_digits(-7) == "-7"
            six: group_digits(100000) == "100,000"
            minus_one: group_digits(-1) == "-1"
            seven_digits: group_digits(7000000) == "7,000,000"
        """,
    ),
)
"""The problems of this module."""
