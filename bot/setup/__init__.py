"""`crier setup`: asks for the settings, tries them and stores them."""
