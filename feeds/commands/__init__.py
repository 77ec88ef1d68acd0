"""The commands of ``feeds``: one module for each group of commands that share something."""
