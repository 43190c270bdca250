"""The publishing and the playing end: WHIP and WHEP clients on aiortc, a test picture, a recorder.

The command line, the demo and the embedding API use the same classes. Nothing here is imported by a daemon that only
forwards: aiortc's encoders and decoders live in this package's users alone.
"""
