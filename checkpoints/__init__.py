"""What is kept: run folders, the checkpoint format, atomic writes, the event log, retention.

The lowest room of the house: every other room may import it, it imports none of them.
Importing this package loads neither torch nor any front end.
"""
