"""Written text -> sentences that sound right. Pure: no files, no threads."""
