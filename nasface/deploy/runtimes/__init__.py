"""Folders that run a detector in one runtime each: its own files, a card, a program."""
