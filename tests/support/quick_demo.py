"""``python -m tests.support.quick_demo demo``: the demo, which shows edits and removals sooner."""

from datetime import timedelta

from feeds.cli import main
from feeds.sandbox import demo

demo.RATE = "100000/minute"  # a lower one would stretch max-age
demo.MAX_AGE = demo.CONFIRM_AFTER = timedelta(seconds=1)

if __name__ == "__main__":
    main()
