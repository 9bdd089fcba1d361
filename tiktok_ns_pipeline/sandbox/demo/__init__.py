"""The demo: the sandbox, Dagster and the pipeline as processes of this machine, and a table of what goes on.

The pipeline in it is the real one, set by its environment like any other; only the addresses are those
of the sandbox.
"""
