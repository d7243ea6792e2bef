"""Engine processes: runs that outlive whoever started them, and who follows them."""
