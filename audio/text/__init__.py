"""What is written -> sentences that sound right. Pure: no files, no threads."""
