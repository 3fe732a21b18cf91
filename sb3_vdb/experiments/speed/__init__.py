"""Speed as ratios within one run: what `sb3-vdb bench` measures."""
