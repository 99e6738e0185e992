"""`crier doctor`: runs checks, and reports what is wrong and how to fix it."""
