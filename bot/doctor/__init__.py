"""`crier doctor`: looks at everything, and says what is wrong and how to mend it."""
