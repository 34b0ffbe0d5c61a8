"""Texts, their words, and an index to find them by."""

from . import Template

TEMPLATE = Template(
    about="splits texts into words, indexes them and finds the best matches",
    names=(
        {"pkg": "finder", "Index": "Index", "w1": "apple", "w2": "pear", "w3": "plum"},
        {"pkg": "lookup", "Index": "Catalog", "w1": "river", "w2": "lake", "w3": "sea"},
        {"pkg": "archive", "Index": "Register", "w1": "north", "w2": "south", "w3": "east"},
        {"pkg": "notes", "Index": "Pages", "w1": "red", "w2": "green", "w3": "blue"},
    ),
    files={
        "$pkg/__init__.py": "",
        "$pkg/words.py": '''\
"""Words of a text."""

SKIPPED = {"a", "an", "and", "of", "the"}


def split(text):
    """Return the words of a text in lower case, without the commonest ones."""
    word, found = "", []
    for letter in text.lower() + " ":
        if letter.isalnum():
            word += letter
        elif word:
            found.append(word)
            word = ""
    return [word for word in found if word not in SKIPPED]


def count(words):
    counts = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return counts


def stem(word):
    """Return a word without the ending of its plural."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word
''',
        "$pkg/index.py": '''\
"""Which texts hold which words."""

from $pkg.words import count, split, stem


class $Index:
    def __init__(self):
        self.places = {}
        self.sizes = {}

    def add(self, name, text):
        if name in self.sizes:
            self.remove(name)
        words = [stem(word) for word in split(text)]
        self.sizes[name] = len(words)
        for word, times in count(words).items():
            self.places.setdefault(word, {})[name] = times

    def remove(self, name):
        del self.sizes[name]
        for word in list(self.places):
            self.places[word].pop(name, None)
            if not self.places[word]:
                del self.places[word]

    def times(self, word, name):
        return self.places.get(stem(word), {}).get(name, 0)
''',
        "$pkg/query.py": '''\
"""Finds texts."""

from $pkg.words import split


def score(index, name, words):
    """Return how well a text matches: thousandths of its words that were asked for."""
    hits = sum(index.times(word, name) for word in words)
    return 1000 * hits // max(1, index.sizes[name])


def find(index, question, limit=3):
    """Return the names of the best matches, best first, and by name where they are equal."""
    words = split(question)
    scored = [(score(index, name, words), name) for name in index.sizes]
    best = sorted((-points, name) for points, name in scored if points > 0)
    return [name for _, name in best[:limit]]


def find_all(index, question):
    """Return the names of the texts that hold every word."""
    words = split(question)
    return [name for name in sorted(index.sizes) if all(index.times(word, name) > 0 for word in words)]
''',
        "tests/test_words.py": """\
from $pkg.words import count, split, stem


def test_split():
    assert split("$w1, $w2!") == ["$w1", "$w2"]


def test_split_lowers():
    assert split("X$w1") == ["x$w1"]


def test_split_skips():
    assert split("the $w1 and a $w2") == ["$w1", "$w2"]


def test_split_nothing():
    assert split(" ., ") == []


def test_split_digits():
    assert split("b2b 42") == ["b2b", "42"]


def test_count():
    assert count(["$w1", "$w2", "$w1"]) == {"$w1": 2, "$w2": 1}


def test_stem():
    assert stem("books") == "book"


def test_stem_short():
    assert stem("gas") == "gas"


def test_stem_of_ies():
    assert stem("stories") == "story"


def test_stem_of_short_ies():
    assert stem("dies") == "die"


def test_stem_double_s():
    assert stem("glass") == "glass"
""",
        "tests/test_query.py": """\
from $pkg.index import $Index
from $pkg.query import find, find_all, score


def make():
    index = $Index()
    index.add("one", "$w1 $w2 $w2 $w3")
    index.add("two", "the $w1 and $w1")
    index.add("three", "$w3 things")
    return index


def test_times():
    assert make().times("$w2", "one") == 2


def test_times_of_unknown():
    assert make().times("zebra", "one") == 0


def test_sizes():
    assert make().sizes == {"one": 4, "two": 2, "three": 2}


def test_plural_is_found():
    assert make().times("thing", "three") == 1


def test_add_replaces():
    index = make()
    index.add("one", "$w3")
    assert index.times("$w2", "one") == 0
    assert index.sizes["one"] == 1


def test_remove():
    index = make()
    index.remove("two")
    assert sorted(index.sizes) == ["one", "three"]
    assert index.times("$w1", "two") == 0


def test_remove_forgets_words():
    index = make()
    index.remove("one")
    assert "$w2" not in index.places


def test_score():
    assert score(make(), "one", ["$w2"]) == 500


def test_score_of_all():
    assert score(make(), "two", ["$w1"]) == 1000


def test_find_best_first():
    assert find(make(), "$w1") == ["two", "one"]


def test_find_ties_by_name():
    index = make()
    index.add("a", "$w1 $w1")
    assert find(index, "$w1") == ["a", "two", "one"]


def test_find_limit():
    assert find(make(), "$w1 $w3", 2) == ["two", "one"]


def test_find_nothing():
    assert find(make(), "zebra") == []


def test_find_all():
    assert find_all(make(), "$w1 $w3") == ["one"]


def test_find_all_of_one():
    assert find_all(make(), "$w3") == ["one", "three"]
""",
    },
)
