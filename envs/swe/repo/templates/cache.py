"""Caches that forget what is old, what is long unused, or what was used least."""

from . import Template

TEMPLATE = Template(
    about="keeps values and forgets the oldest, the longest unused or the least used ones",
    names=(
        {"pkg": "caching", "Recent": "Recent", "Timed": "Timed", "k": "key"},
        {"pkg": "memory", "Recent": "Latest", "Timed": "Fading", "k": "name"},
        {"pkg": "buffers", "Recent": "Window", "Timed": "Expiring", "k": "tag"},
        {"pkg": "store", "Recent": "Shelf", "Timed": "Lease", "k": "label"},
    ),
    files={
        "$pkg/__init__.py": "",
        "$pkg/recent.py": '''\
"""Forgets what was not used for the longest time."""


class $Recent:
    def __init__(self, size):
        if size < 1:
            raise ValueError("no room")
        self.size = size
        self._kept = {}
        self.hits = 0
        self.misses = 0

    def __len__(self):
        return len(self._kept)

    def get(self, $k, default=None):
        if $k not in self._kept:
            self.misses += 1
            return default
        self.hits += 1
        value = self._kept.pop($k)
        self._kept[$k] = value
        return value

    def put(self, $k, value):
        self._kept.pop($k, None)
        self._kept[$k] = value
        while len(self._kept) > self.size:
            del self._kept[next(iter(self._kept))]

    def keys(self):
        """Return the keys, the latest used first."""
        return list(self._kept)[::-1]

    def hit_percent(self):
        asked = self.hits + self.misses
        return 100 * self.hits // asked if asked > 0 else 0
''',
        "$pkg/timed.py": '''\
"""Forgets what is too old."""


class $Timed:
    def __init__(self, seconds):
        self.seconds = seconds
        self._kept = {}

    def put(self, $k, value, now):
        self._kept[$k] = (value, now + self.seconds)

    def get(self, $k, now, default=None):
        if $k in self._kept:
            value, until = self._kept[$k]
            if now < until:
                return value
            del self._kept[$k]
        return default

    def renew(self, $k, now):
        """Start a value's time again; return whether it was still there."""
        missing = object()
        value = self.get($k, now, missing)
        if value is missing:
            return False
        self.put($k, value, now)
        return True

    def sweep(self, now):
        """Forget all that is too old; return how much that was."""
        old = [name for name, (_, until) in self._kept.items() if until <= now]
        for name in old:
            del self._kept[name]
        return len(old)

    def left(self, $k, now):
        """Return the seconds that a value is still kept."""
        if $k not in self._kept:
            return 0
        return max(0, self._kept[$k][1] - now)
''',
        "$pkg/layers.py": '''\
"""A small quick cache before a large slow one."""

from $pkg.recent import $Recent


class Layers:
    def __init__(self, small, large):
        if small >= large:
            raise ValueError("the first layer must be smaller")
        self.first = $Recent(small)
        self.second = $Recent(large)

    def put(self, $k, value):
        self.first.put($k, value)
        self.second.put($k, value)

    def get(self, $k, load):
        """Return a value from the first layer that has it, or load it."""
        missing = object()
        value = self.first.get($k, missing)
        if value is not missing:
            return value
        value = self.second.get($k, missing)
        if value is missing:
            value = load($k)
            self.second.put($k, value)
        self.first.put($k, value)
        return value

    def loads(self):
        """Return how often neither layer had a value."""
        return self.second.misses
''',
        "tests/test_recent.py": """\
from $pkg.layers import Layers
from $pkg.recent import $Recent


def make(size=2):
    cache = $Recent(size)
    cache.put("a", 1)
    cache.put("b", 2)
    return cache


def test_get():
    assert make().get("a") == 1


def test_default():
    assert make().get("z", 9) == 9


def test_forgets_the_oldest():
    cache = make()
    cache.put("c", 3)
    assert cache.keys() == ["c", "b"]


def test_use_keeps():
    cache = make()
    cache.get("a")
    cache.put("c", 3)
    assert cache.keys() == ["c", "a"]


def test_put_again_keeps():
    cache = make()
    cache.put("a", 5)
    cache.put("c", 3)
    assert cache.get("a") == 5 and cache.get("b") is None


def test_size():
    cache = make(3)
    for i in range(10):
        cache.put(i, i)
    assert len(cache) == 3


def test_no_room():
    try:
        $Recent(0)
    except ValueError:
        return
    raise AssertionError("no error")


def test_room_for_one():
    cache = $Recent(1)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.keys() == ["b"]


def test_hits():
    cache = make()
    cache.get("a"), cache.get("a"), cache.get("b"), cache.get("z")
    assert cache.hit_percent() == 75


def test_hits_of_new():
    assert $Recent(1).hit_percent() == 0


def test_layers_load_once():
    layers, asked = Layers(1, 3), []

    def load(name):
        asked.append(name)
        return name * 2

    assert [layers.get(n, load) for n in ("a", "b", "a")] == ["aa", "bb", "aa"]
    assert asked == ["a", "b"]


def test_layers_count_loads():
    layers = Layers(1, 3)
    for name in ("a", "b", "a", "c"):
        layers.get(name, str)
    assert layers.loads() == 3


def test_layers_sizes():
    try:
        Layers(2, 2)
    except ValueError:
        return
    raise AssertionError("no error")


def test_layers_put():
    layers = Layers(1, 2)
    layers.put("a", 1)
    layers.put("b", 2)
    assert layers.get("a", lambda name: 7) == 1
""",
        "tests/test_timed.py": """\
from $pkg.timed import $Timed


def make():
    cache = $Timed(10)
    cache.put("a", 1, 0)
    cache.put("b", 2, 5)
    return cache


def test_get():
    assert make().get("a", 9) == 1


def test_too_old():
    assert make().get("a", 10) is None


def test_default():
    assert make().get("a", 11, "gone") == "gone"


def test_put_again():
    cache = make()
    cache.put("a", 7, 8)
    assert cache.get("a", 17) == 7


def test_renew():
    cache = make()
    assert cache.renew("a", 9)
    assert cache.get("a", 18) == 1


def test_renew_too_late():
    assert not make().renew("a", 10)


def test_sweep():
    cache = make()
    assert cache.sweep(12) == 1
    assert cache.get("b", 12) == 2


def test_sweep_on_time():
    assert make().sweep(10) == 1


def test_sweep_nothing():
    assert make().sweep(9) == 0


def test_left():
    assert make().left("b", 6) == 9


def test_left_of_old():
    assert make().left("a", 30) == 0


def test_left_of_unknown():
    assert make().left("z", 0) == 0
""",
    },
)
