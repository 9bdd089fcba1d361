"""What a person types: one module per group of commands, put together in `cli.py`.

A command reads its arguments, calls one function of a room and prints what came back; rules live in
the rooms. Heavy imports are made inside the commands, so that `--help` answers at once.
"""
