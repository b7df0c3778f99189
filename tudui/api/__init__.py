"""Tudui from Python: what the commands do, as functions. Settings are checked as theirs are, with the same messages.

`tudui.train`, `tudui.compare` and the others in `tudui/__init__.py` are these.
"""
