"""The cache that is read without a lock: which entries leave it, and that it stays bounded."""

from random import Random
from weakref import WeakSet

from feeds.clockcache import ClockCache


def a_cache(maxsize: int = 3) -> ClockCache[str, int]:
    """A cache with entries of the size that is their value."""
    return ClockCache(maxsize, lambda size: size)


def test_the_oldest_entry_that_was_not_read_leaves_a_full_cache():
    cache = a_cache()
    for key in "abc":
        cache[key] = 1
    assert cache.read("a") == 1
    cache["d"] = 1
    assert sorted(cache) == ["a", "c", "d"]


def test_an_entry_stays_while_it_is_read_and_leaves_when_no_longer():
    cache = a_cache()
    cache["hot"] = 1
    for number in range(10):
        cache.read("hot")
        cache[str(number)] = 1
        assert "hot" in cache
    for number in range(4):
        cache[f"new-{number}"] = 1
    assert "hot" not in cache
    assert cache.read("hot") is None


def test_a_cache_whose_entries_were_all_read_takes_a_new_one():
    cache = a_cache()
    for key in "abc":
        cache[key] = 1
        cache.read(key)
    cache["d"] = 1
    assert sorted(cache) == ["b", "c", "d"]


def test_the_size_never_exceeds_the_limit_whatever_is_read_and_written():
    random, cache = Random(1), a_cache(20)
    for _ in range(5_000):
        key = str(random.randrange(30))
        if random.random() < 0.5:
            cache.read(key)
        else:
            cache[key] = random.randrange(1, 9)
        assert cache.currsize == sum(cache.values()) <= 20


class Key(str):
    """A key to which there can be weak references."""

    __slots__ = ("__weakref__",)


def test_keys_that_left_the_cache_otherwise_are_forgotten():
    cache, keys = a_cache(), WeakSet[Key]()
    for number in range(1_000):
        key = Key(number)
        keys.add(key)
        cache[key] = 1
        cache.read(key)
        cache.pop(key)
    del key
    for letter in "abcd":
        cache[letter] = 1
    assert len(keys) == 0
