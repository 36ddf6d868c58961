"""Bringing facts in from files and programs, and taking them out again."""
