"""What a terminal, a script or an agent uses: thin clients of the running bot, and the demo."""
