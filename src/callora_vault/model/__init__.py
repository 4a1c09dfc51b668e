"""The vault and its factory as pure functions over values: the reference that all else follows.

It loads attrs and the standard library alone.
"""
