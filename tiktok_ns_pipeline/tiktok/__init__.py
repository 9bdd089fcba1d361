"""What TikTok Shop says and takes: the adapter to its seller API.

It knows hosts, signatures, tokens, error codes and the shape of answers, and nothing of ledgers or
mappings. `TikTokClient` asks, `TikTokLogin` keeps the right to ask, `models` reads what came back;
`errors` says what a failure means for the caller. Raw answers are handed on unchanged.

Invariant: no secret (app secret, token, signature, cipher) leaves this room in an error, a log
record or a `repr`.
"""
