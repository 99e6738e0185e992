"""Manners: not into a call, and music steps back. What is off is not even imported."""
