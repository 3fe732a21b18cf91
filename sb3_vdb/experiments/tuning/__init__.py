"""How fast the bottleneck's multiplier has to move, and what healthy and sick runs look like."""
