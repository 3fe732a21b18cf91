"""``sb3-vdb train``: any method on anybody's environment and demonstrations."""
