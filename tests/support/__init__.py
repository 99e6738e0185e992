"""What tests share: stand-ins, a loudspeaker with an ear, a terminal."""
