"""`crier setup`: asks for what Crier needs, tries it and stores it."""
