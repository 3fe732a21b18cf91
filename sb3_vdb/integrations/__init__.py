"""Bridges to other libraries: each file here is the only one that imports its library, and imports
it when it is used.
"""
