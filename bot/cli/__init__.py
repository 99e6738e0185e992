"""The command line: `crier run`, the demo, and the commands that control the running bot."""
