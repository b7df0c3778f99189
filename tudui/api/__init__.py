"""Tudui from Python: what the commands do, as functions. Settings are checked as the commands check theirs.

`training`: train. `comparing`: compare, report, arrange. `models`: evaluate, predict, load, export. `runs`,
`dashboards`, `data`, `configs`. `lab`: values and curves of losses, line fits. `backward`: backpropagation.
"""
