"""Tudui from Python: what the commands do, as functions. Settings are checked as theirs are, with the same messages.

`training`: train, rehearse. `comparing`: compare, report, estimate. `models`: evaluate, predict, export. `runs`,
`dashboards`, `data`, `configs`, `machine`; `lab`: values and curves of losses, line fits; `backward`: backpropagation.
"""
