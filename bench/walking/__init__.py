"""Random walks: an organizer, processes, databases and clients on one simulated time.

``organizer`` edits events, ``upstream`` answers calls, ``deployment`` has the processes and their
database, ``clients`` poll feeds as subscribers do, ``world`` checks every answer by what ``oracle``
knows, ``steps`` draws what happens next, ``operations`` and ``scenarios`` carry it out.
"""
