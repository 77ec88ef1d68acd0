"""A mapping that forgets."""

import threading
import time

from feeds.service.recent import Recent


def test_it_answers_what_was_put():
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)

    assert recent.get("a") == 1


def test_it_answers_none_for_what_was_not():
    recent: Recent[str, int] = Recent(2)

    assert recent.get("a") is None


def test_the_last_value_of_a_key_counts():
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    recent.put("a", 2)

    assert recent.get("a") == 2


def test_past_its_size_it_forgets_what_was_put_first():
    recent: Recent[str, int] = Recent(2)
    for value, key in enumerate("abc"):
        recent.put(key, value)

    assert [recent.get(key) for key in "abc"] == [None, 1, 2]


def test_it_keeps_what_was_asked_for_lately():
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    recent.get("a")
    recent.put("c", 3)

    assert [recent.get(key) for key in "abc"] == [1, None, 3]


def test_it_keeps_what_was_put_again():
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    recent.put("a", 3)
    recent.put("c", 4)

    assert [recent.get(key) for key in "abc"] == [3, None, 4]


def test_what_is_put_again_pushes_nothing_out():
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    recent.put("b", 3)

    assert [recent.get(key) for key in "ab"] == [1, 3]


def test_asking_for_what_is_not_there_changes_nothing():
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    recent.get("c")

    assert [recent.get(key) for key in "ab"] == [1, 2]


class Slow(int):
    """A key whose hash lets other threads go first."""

    def __hash__(self):
        time.sleep(0)
        return int.__hash__(self)


def test_threads_may_share_it():
    recent: Recent[Slow, int] = Recent(3)
    failures: list[BaseException] = []

    def use() -> None:
        try:
            for number in range(500):
                recent.put(Slow(number % 7), number % 7)
                assert recent.get(Slow(number % 5)) in (None, number % 5)
        except (KeyError, AssertionError, RuntimeError) as failure:
            failures.append(failure)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not failures
    assert sum(recent.get(Slow(number)) is not None for number in range(7)) == 3


def test_past_its_weight_it_forgets_what_was_asked_for_longest():
    recent: Recent[str, int] = Recent(10, 5, lambda value: value)
    recent.put("a", 2)
    recent.put("b", 2)
    recent.get("a")
    recent.put("c", 2)
    assert [recent.get(key) for key in "abc"] == [2, None, 2]
    recent.put("a", 1)
    recent.put("d", 2)
    assert [recent.get(key) for key in "acd"] == [1, 2, 2]


def test_what_alone_is_too_heavy_is_not_kept():
    recent: Recent[str, int] = Recent(10, 5, lambda value: value)
    recent.put("a", 6)
    recent.put("b", 5)
    assert [recent.get(key) for key in "ab"] == [None, 5]


def test_a_peek_does_not_count_as_asking():
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.peek("a") == 1
    recent.put("c", 3)
    assert [recent.peek(key) for key in "abc"] == [None, 2, 3]
