"""What is promised about faults: processes killed, files damaged, numbers that are not finite."""
