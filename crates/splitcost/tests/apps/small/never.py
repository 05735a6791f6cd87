"""A program that never listens."""

import threading

print("waiting for a database", flush=True)
threading.Event().wait()
