"""Conversations that outlive the window: an SQLite database with the pictures beside it. No Qt here.

`store.py` is one open database for one thread, `worker.py` is that thread. The others are what they are named after.
"""
