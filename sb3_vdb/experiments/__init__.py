"""Studies of the papers: what `sb3-vdb demo`, `reproduce` and `bench` run."""
