"""The engine: carries intents out, exactly once in effect, under a shared budget."""
