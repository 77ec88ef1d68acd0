"""Random walks: an organizer, processes, databases and clients on one simulated time.

``organizer`` edits events, ``upstream`` answers calls, ``deployment`` has the processes and their
database, ``story`` says what feeds must tell after each answer, ``clients`` poll feeds as
subscribers do, ``world`` checks every answer, ``ages`` how old it is, ``steps`` draws what happens
next.
"""
