"""What a service must answer: a model of docs/rules.md of its own, and the checks of each answer.

``story`` says what feeds must tell after each answer of the upstream, ``statements`` what they
state, ``proof`` when something counts as no longer listed, ``recovery`` what survives a database
that went back, ``record`` compares answers with those before, ``ages`` how old they may be.
"""
