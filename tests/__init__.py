"""The tests: real model, real PortAudio on virtual loudspeakers, real HTTP."""
