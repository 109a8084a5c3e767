"""HOW we reach AWS: the one door. Nothing outside this room knows the SDK."""
