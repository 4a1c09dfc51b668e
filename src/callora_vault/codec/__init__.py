"""The values of the model in XDR, and back: a module for each of the model's.

Values are encoded with the types of stellar-sdk. What is decoded is checked in full: anything that
is not exactly as STORAGE.md has it raises CannotDecode or UnknownLayout.
"""
