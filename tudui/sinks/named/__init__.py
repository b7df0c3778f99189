"""The sinks that `log.sinks` can name: one module each, with `open_sink(run: RunInfo)`, a context manager."""
