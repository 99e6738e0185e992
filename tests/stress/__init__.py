"""Many kills, faults and clients: the crash lab, the soak, the load test."""
