"""What every flow does alike: knows its shops, turns its loop until nothing is due, takes hints.

A flow's room says what is observed, staged and planned; how a run goes on while work arrives, ends,
and lives with a system that is away, is said here once.
"""
