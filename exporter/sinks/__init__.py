"""WHERE it goes. A sink renders a snapshot and does nothing else: it counts nothing, asks nobody, sends nothing."""
